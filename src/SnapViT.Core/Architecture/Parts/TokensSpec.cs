namespace SnapViT.Core.Architecture.Parts;

/// <summary>The learned tokens before the patch tokens and the learned table of positions.</summary>
internal sealed class TokensSpec
{
    /// <summary>The name of the class token.</summary>
    public const string ClassTokenName = "cls_token";

    /// <summary>The name of the distillation token.</summary>
    public const string DistillationTokenName = "dist_token";

    /// <summary>The name of the register tokens.</summary>
    public const string RegistersName = "reg_token";

    /// <summary>The name of the table of positions.</summary>
    public const string PositionsName = "pos_embed";

    /// <summary>Tokens and positions of a model.</summary>
    public TokensSpec(ViTArchitecture architecture)
    {
        ViTArchitecture a = architecture;
        ClassToken = Token(ClassTokenName, a.HasClassToken ? 1 : 0);
        DistillationToken = Token(DistillationTokenName, a.HasDistillationToken ? 1 : 0);
        Registers = Token(RegistersName, a.RegisterTokens);
        Positions = a.Position == PositionEmbedding.Rotary
            ? null
            : new ParameterSpec(PositionsName, [1, PositionCount(a), a.EmbedDim], ParameterRole.Position);

        ParameterSpec? Token(string name, int count) => count == 0 ? null : new(name, [1, count, a.EmbedDim], ParameterRole.Token);
    }

    /// <summary>The class token, [1, 1, D]; null where there is none.</summary>
    public ParameterSpec? ClassToken { get; }

    /// <summary>The distillation token, [1, 1, D]; null where there is none.</summary>
    public ParameterSpec? DistillationToken { get; }

    /// <summary>Register tokens, [1, count, D]; null where there are none.</summary>
    public ParameterSpec? Registers { get; }

    /// <summary>Learned positions, [1, positions, D]; null where there is no such table.</summary>
    public ParameterSpec? Positions { get; }

    /// <summary>The tensors.</summary>
    public IEnumerable<ParameterSpec> Parameters => new[] { ClassToken, DistillationToken, Registers, Positions }.OfType<ParameterSpec>();

    private static int PositionCount(ViTArchitecture a) => a.Position switch
    {
        PositionEmbedding.PatchesOnly => a.Patches,
        PositionEmbedding.ClassAndPatches => a.Patches + (a.HasClassToken ? 1 : 0),
        _ => a.Tokens,
    };
}
