namespace SnapViT.Importance;

/// <summary>What is done to local scores before blocks are ranked against each other.</summary>
public enum ScoreNormalisation
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Every block's scores are divided by the block's mean, neurons and heads apart (Pham, 2026).</summary>
    Block,
}
