using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Scores;

/// <summary>The reference's names of models (its src/models/enums.py): a score file says of which model it is by one of them.</summary>
public static class ReferenceModels
{
    internal const string EnumModule = "src.models.enums";
    internal const string EnumClass = "ModelType";

    private static readonly (string Member, string Value)[] Rows =
    [
        ("DEIT_VIT_B_16", "deit-vit-b-16"),
        ("DEIT_3_VIT_H_14", "deit-3-vit-h-14"),
        ("DEIT_3_VIT_L_16", "deit-3-vit-l-16"),
        ("DEIT_3_VIT_B_16", "deit-3-vit-b-16"),
        ("DEIT_3_VIT_S_16", "deit-3-vit-s-16"),
        ("AUGREG_VIT_S_16_IN21K_FT_IN1K", "augreg-vit-s-16-in21k-ft-in1k"),
        ("AUGREG_VIT_B_16_IN21K_FT_IN1K", "augreg-vit-b-16-in21k-ft-in1k"),
        ("AUGREG_VIT_L_16_IN21K_FT_IN1K", "augreg-vit-l-16-in21k-ft-in1k"),
        ("DINO_VIT_S_16", "dino_vits16"),
        ("DINO_VIT_B_16", "dino_vitb16"),
        ("DINO_V3_VIT_B_16", "dinov3_vitb16"),
        ("DINO_V3_VIT_H_16", "dinov3_vith16plus"),
        ("SIGLIP2_VIT_B_16", "siglip2-vit-b16"),
        ("SIGLIP2_VIT_G_16", "siglip2-vit-g16"),
    ];

    /// <summary>All names, such as <c>dino_vitb16</c>.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Rows.Select(row => row.Value)];

    /// <summary>The member that a file holds, by value or by member name, as the reference's name; null for no model of its.</summary>
    internal static string? NameOf(TorchEnumMember member) => (member.Module, member.Class) != (EnumModule, EnumClass) ? null
        : Rows.Where(row => member.IsName ? row.Member.Equals(member.Key) : row.Value.Equals(member.Key)).Select(row => row.Value).FirstOrDefault();
}
