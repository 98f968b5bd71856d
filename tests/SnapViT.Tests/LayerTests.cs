using System.Reflection;
using SnapViT.Cli.Demo;
using SnapViT.Cluster;
using SnapViT.Core.Architecture;
using SnapViT.Data;
using SnapViT.Extensions.AI;
using SnapViT.Models;
using SnapViT.Runtime;
using SnapViT.Server;

namespace SnapViT.Tests;

/// <summary>
/// Arrows point one way: the command to the library to the images to the core, and within an assembly a folder to folders of a lower layer only. A new folder takes
/// its place in the table of its assembly.
/// </summary>
public sealed class LayerTests
{
    private static readonly Assembly Core = typeof(ViTArchitecture).Assembly;
    private static readonly Assembly Images = typeof(ImageSet).Assembly;
    private static readonly Assembly Torch = typeof(VisionTransformer).Assembly;
    private static readonly Assembly Command = typeof(ShapeTextureImages).Assembly;

    /// <summary>The layers of every assembly, the lowest first.</summary>
    private static readonly Dictionary<string, FolderLayers> Tables = new()
    {
        ["core"] = new FolderLayers(
            Core,
            "SnapViT.Core",
            [["Errors"], ["Randomness"], ["Architecture"], ["Checkpoints"], ["Formats"], ["Scores"], ["Planning"], ["Search"]],
            []),
        ["images"] = new FolderLayers(Images, "SnapViT", [["Data"], ["Loading"], ["Export"]], []),
        ["library"] = new FolderLayers(
            Torch,
            "SnapViT",
            [
                ["Tensors"],
                ["Onnx"],
                ["Models", "Data"],
                ["Calibration"],
                ["Correction"],
                ["Loading", "Features", "Importance"],
                ["Elastic"],
                ["Search", "Evaluation"],
                ["Export"],
                ["Workflows"],
                ["Hub"],
                ["SnapViT"],
            ],
            [("Elastic", "Data"), ("Calibration", "Data"), ("Correction", "Data"), ("Evaluation", "Elastic"), ("Evaluation", "Importance")]),
        ["server"] = new FolderLayers(typeof(EmbedServer).Assembly, "SnapViT.Server", [["SnapViT.Server"]], []),
        ["cluster"] = new FolderLayers(typeof(ClusterJob).Assembly, "SnapViT.Cluster", [["Membership"], ["SnapViT.Cluster"]], []),
        ["command"] = new FolderLayers(Command, "SnapViT.Cli", [["Output"], ["Pages"], ["Roofline"], ["Demo"], ["Experiments"], ["Commands"], ["SnapViT.Cli"]], []),
    };

    public static TheoryData<string> Assemblies => [.. Tables.Keys];

    [Fact]
    public void The_core_knows_the_base_library_only() =>
        Assert.All(References(Core), name => Assert.StartsWith("System.", name, StringComparison.Ordinal));

    [Fact]
    public void Images_know_no_tensors() => Assert.All(
        References(Images),
        name => Assert.True(name == Core.GetName().Name || name is "SkiaSharp" or "Parquet" or "BitMiracle.LibTiff.NET" || name.StartsWith("System.", StringComparison.Ordinal), name));

    [Fact]
    public void The_runtime_and_the_embeddings_know_no_torch() => Assert.All(
        [typeof(ViTFamily).Assembly, typeof(SnapViTEmbeddingGenerator).Assembly],
        assembly =>
        {
            Assert.Contains(Images.GetName().Name, References(assembly));
            Assert.DoesNotContain(References(assembly), name => name.Contains("Torch", StringComparison.Ordinal));
        });

    [Fact]
    public void The_server_alone_knows_the_web_and_no_torch()
    {
        Assert.Contains(References(typeof(EmbedServer).Assembly), name => name.StartsWith("Microsoft.AspNetCore", StringComparison.Ordinal));
        Assert.DoesNotContain(References(typeof(EmbedServer).Assembly), name => name.Contains("Torch", StringComparison.Ordinal));
        Assert.All(
            [Core, Images, Torch, typeof(ViTFamily).Assembly, typeof(SnapViTEmbeddingGenerator).Assembly, Command],
            assembly => Assert.DoesNotContain(References(assembly), name => name.StartsWith("Microsoft.AspNetCore", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_cluster_alone_knows_Orleans()
    {
        Assert.Contains(References(typeof(ClusterJob).Assembly), name => name.StartsWith("Orleans", StringComparison.Ordinal));
        Assert.All(
            [Core, Images, Torch, typeof(ViTFamily).Assembly, typeof(SnapViTEmbeddingGenerator).Assembly, typeof(EmbedServer).Assembly, Command],
            assembly => Assert.DoesNotContain(References(assembly), name => name.StartsWith("Orleans", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_library_does_not_know_the_command()
    {
        string[] known = [.. References(Torch).Where(name => !name.StartsWith("System.", StringComparison.Ordinal))];
        Assert.Contains(Core.GetName().Name, known);
        Assert.DoesNotContain(Command.GetName().Name, known);
        Assert.DoesNotContain(known, name => name.Contains("CommandLine", StringComparison.Ordinal) || name.Contains("Spectre", StringComparison.Ordinal));
    }

    [Fact]
    public void Nothing_in_src_knows_the_tests_or_the_benchmarks() => Assert.All(
        [Core, Images, Torch, Command],
        assembly => Assert.DoesNotContain(
            References(assembly), name => name.EndsWith("Tests", StringComparison.Ordinal) || name.EndsWith("Benchmarks", StringComparison.Ordinal)));

    [Theory, MemberData(nameof(Assemblies))]
    public void Every_folder_has_its_layer(string assembly)
    {
        FolderLayers table = Tables[assembly];
        Assert.Equal(table.Layers.SelectMany(layer => layer).Order(), table.Folders().Order());
    }

    [Theory, MemberData(nameof(Assemblies))]
    public void Arrows_point_to_a_lower_layer(string assembly)
    {
        FolderLayers table = Tables[assembly];
        string[] wrong = [.. table.Arrows().Where(arrow => table.Layer(arrow.To) >= table.Layer(arrow.From)).Select(arrow => arrow.Said)];
        Assert.True(wrong.Length == 0, string.Join(Environment.NewLine, wrong));
    }

    [Theory, MemberData(nameof(Assemblies))]
    public void No_arrow_is_one_of_those_forbidden(string assembly)
    {
        FolderLayers table = Tables[assembly];
        string[] wrong = [.. table.Arrows().Where(arrow => table.Forbidden.Contains((arrow.From, arrow.To))).Select(arrow => arrow.Said)];
        Assert.True(wrong.Length == 0, string.Join(Environment.NewLine, wrong));
    }

    // Were the bodies of methods not read, the tests above would pass whatever the code did.
    [Theory]
    [InlineData("library", "Workflows", "Importance", "BuildOptions uses CurvatureCriterion")]
    [InlineData("library", "SnapViT", "Loading", "ElasticViT uses ModelFile")]
    [InlineData("library", "Loading", "Tensors", "CheckpointWeights uses ArchiveTensors")]
    [InlineData("core", "Planning", "Checkpoints", "LatencyTableFile uses AtomicFile")]
    [InlineData("command", "Commands", "Output", "Verb uses Report")]
    [InlineData("core", "Scores", "Checkpoints", "ElasticScores uses SafetensorsWriter")]
    public void An_arrow_that_is_only_in_the_body_of_a_method_is_seen(string assembly, string from, string to, string uses) => Assert.Contains(
        Tables[assembly].Arrows(), arrow => arrow.From == from && arrow.To == to && arrow.Said.EndsWith(uses, StringComparison.Ordinal));

    private static IEnumerable<string> References(Assembly assembly) => assembly.GetReferencedAssemblies().Select(name => name.Name!);

    /// <summary>The folders of an assembly in layers.</summary>
    /// <param name="Assembly">The assembly.</param>
    /// <param name="Root">The namespace of its root folder.</param>
    /// <param name="Layers">Its folders, the lowest layer first; the root by its whole name.</param>
    /// <param name="Forbidden">Arrows that the layers would allow and that must not be: what measures or cuts a model works for any model and images.</param>
    private sealed record FolderLayers(Assembly Assembly, string Root, string[][] Layers, (string From, string To)[] Forbidden)
    {
        public IEnumerable<string> Folders() => Assembly.GetTypes().Select(Folder).OfType<string>().Distinct();

        public (string From, string To, string Said)[] Arrows() =>
        [
            .. Tests.Layers.Uses(Assembly)
                .Select(use => (From: Folder(use.User), To: Folder(use.Used), Said: $"{Outer(use.User).Name} uses {Outer(use.Used).Name}"))
                .Where(use => use.From is not null && use.To is not null && use.From != use.To)
                .Select(use => (use.From!, use.To!, $"{use.From} -> {use.To}: {use.Said}"))
                .Distinct(),
        ];

        public int Layer(string folder) => Array.FindIndex(Layers, layer => layer.Contains(folder));

        /// <summary>The folder below the root, the root for what lies in it, or null for a type of another assembly or of the compiler.</summary>
        private string? Folder(Type type) => type.Assembly != Assembly || Outer(type).Namespace is not string space ? null
            : space == Root ? Root
            : space.StartsWith(Root + ".", StringComparison.Ordinal) ? space[(Root.Length + 1)..].Split('.')[0] : null;

        private static Type Outer(Type type) => type.DeclaringType is Type outer ? Outer(outer) : type;
    }
}
