namespace SnapViT.Data;

/// <summary>How pixels between pixels are found; always with antialiasing when shrinking.</summary>
public enum Interpolation
{
    /// <summary>Triangle filter.</summary>
    Bilinear,

    /// <summary>Keys' cubic filter with a = -1/2.</summary>
    Bicubic,
}
