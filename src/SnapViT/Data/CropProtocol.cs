namespace SnapViT.Data;

/// <summary>Which crops of an image the self-supervised loss compares (paper, section 3.1).</summary>
public enum CropProtocol
{
    /// <summary>One global and one local crop: what the reference's twelve crops amount to, since it draws one rectangle for all of a kind.</summary>
    Reference,

    /// <summary>Two global and ten local crops, all independent, as the paper means it.</summary>
    Independent,
}
