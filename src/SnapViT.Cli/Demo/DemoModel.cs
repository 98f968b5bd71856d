using SnapViT.Core.Architecture;
using SnapViT.Data;
using SnapViT.Loading;

namespace SnapViT.Cli.Demo;

/// <summary>The small trained Vision Transformer that is part of this command, so that the demo needs no download.</summary>
internal static class DemoModel
{
    private const string Resource = "SnapViT.Cli.Demo.demo-vit.safetensors";

    /// <summary>6 blocks of 4 heads and 256 neurons on 64 patches of 8 x 8 pixels: 0.3 million parameters.</summary>
    public static ViTArchitecture Architecture { get; } = new ViTArchitecture
    {
        Depth = 6,
        EmbedDim = 64,
        Heads = 4,
        HeadDim = 16,
        MlpDim = 256,
        PatchSize = 8,
        ImageSize = ShapeTextureImages.Side,
        Classes = ShapeTextureImages.Classes,
    }.Validated();

    /// <summary>The images have the size of the input already.</summary>
    public static Preprocessing Preprocessing { get; } = new Preprocessing
    {
        Side = ShapeTextureImages.Side,
        ResizeTo = ShapeTextureImages.Side,
        Mean = [0.5f, 0.5f, 0.5f],
        Std = [0.25f, 0.25f, 0.25f],
    }.Validated();

    /// <summary>Writes the embedded weights to a file and reads them like any other model.</summary>
    /// <param name="path">A file in a folder that the caller removes.</param>
    public static LoadedModel Extract(string path)
    {
        using (Stream resource = typeof(DemoModel).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"no embedded resource {Resource}"))
        using (FileStream file = File.Create(path))
        {
            resource.CopyTo(file);
        }

        return ModelFile.Load(path);
    }
}
