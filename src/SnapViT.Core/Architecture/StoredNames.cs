using System.Text.Json;

namespace SnapViT.Core.Architecture;

/// <summary>
/// Names of architecture facts in files. Files written before the facts had their present names stay readable, and new files stay readable
/// for older versions.
/// </summary>
/// <param name="inner">Spelling of the names; null for as they are.</param>
internal sealed class StoredNames(JsonNamingPolicy? inner = null) : JsonNamingPolicy
{
    /// <inheritdoc/>
    public override string ConvertName(string name)
    {
        string stored = name switch
        {
            nameof(ViTArchitecture.EmbedDim) => "Width",
            nameof(ViTArchitecture.HeadDim) => "HeadWidth",
            nameof(ViTArchitecture.MlpDim) => "Hidden",
            nameof(ViTArchitecture.ProjectionDim) => "ProjectionWidth",
            _ => name,
        };
        return inner?.ConvertName(stored) ?? stored;
    }
}
