using System.Reflection;
using SnapViT.Cli.Demo;
using SnapViT.Core.Architecture;
using SnapViT.Models;

namespace SnapViT.Tests;

/// <summary>
/// Arrows point one way: the command to the library to the core, and within the library a folder to folders of a lower layer only. A new
/// folder takes its place in the table.
/// </summary>
public sealed class LayerTests
{
    /// <summary>What a program uses first: types of the namespace itself.</summary>
    private const string Root = "SnapViT";

    private static readonly string[][] Library =
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
        [Root],
    ];

    /// <summary>The command's folders, and last what starts it.</summary>
    private static readonly string[] OfCommand = ["Output", "Demo", "Commands", "SnapViT.Cli"];

    /// <summary>Arrows that the layers would allow and that must not be: what measures or cuts a model works for any model and any images.</summary>
    private static readonly (string From, string To)[] Walls =
        [("Elastic", "Data"), ("Calibration", "Data"), ("Correction", "Data"), ("Evaluation", "Elastic"), ("Evaluation", "Importance")];

    private static readonly Assembly Core = typeof(ViTArchitecture).Assembly;
    private static readonly Assembly Torch = typeof(VisionTransformer).Assembly;
    private static readonly Assembly Command = typeof(ShapeTextureImages).Assembly;

    [Fact]
    public void The_core_knows_the_base_library_only() =>
        Assert.All(References(Core), name => Assert.StartsWith("System.", name, StringComparison.Ordinal));

    [Fact]
    public void The_library_does_not_know_the_command()
    {
        string[] known = [.. References(Torch).Where(name => !name.StartsWith("System.", StringComparison.Ordinal))];
        Assert.Contains(Core.GetName().Name, known);
        Assert.DoesNotContain(Command.GetName().Name, known);
        Assert.DoesNotContain(known, name => name.Contains("CommandLine", StringComparison.Ordinal) || name.Contains("Spectre", StringComparison.Ordinal));
    }

    [Fact]
    public void Nothing_in_src_knows_the_tests_or_the_benchmarks() =>
        Assert.All([Core, Torch, Command], assembly => Assert.DoesNotContain(References(assembly), name => name.EndsWith("Tests", StringComparison.Ordinal) || name.EndsWith("Benchmarks", StringComparison.Ordinal)));

    [Fact]
    public void Every_folder_of_the_library_has_its_layer() =>
        Assert.Empty(Folders().Except(Library.SelectMany(layer => layer)));

    [Fact]
    public void Arrows_within_the_library_point_to_a_lower_layer()
    {
        string[] wrong = [.. Arrows().Where(arrow => Layer(arrow.To) >= Layer(arrow.From)).Select(arrow => arrow.Said)];
        Assert.True(wrong.Length == 0, string.Join(Environment.NewLine, wrong));
    }

    [Fact]
    public void Arrows_within_the_command_point_to_a_lower_layer()
    {
        (string From, string To, string Said)[] arrows = [.. Layers.Uses(Command)
            .Select(use => (From: CommandFolder(use.User), To: CommandFolder(use.Used), Said: $"{Outer(use.User).Name} uses {Outer(use.Used).Name}"))
            .Where(use => use.From is not null && use.To is not null && use.From != use.To)
            .Select(use => (use.From!, use.To!, $"{use.From} -> {use.To}: {use.Said}"))
            .Distinct()];
        Assert.Contains(arrows, arrow => arrow.Said == "Commands -> Output: Verb uses Report");
        string[] wrong = [.. arrows.Where(arrow => Array.IndexOf(OfCommand, arrow.To) >= Array.IndexOf(OfCommand, arrow.From)).Select(arrow => arrow.Said)];
        Assert.True(wrong.Length == 0, string.Join(Environment.NewLine, wrong));
    }

    /// <summary>The folder below the command's root, or null for a type of another assembly or of the compiler.</summary>
    private static string? CommandFolder(Type type) =>
        type.Assembly != Command || Outer(type).Namespace is not string space || !space.StartsWith("SnapViT.Cli", StringComparison.Ordinal) ? null
        : space == "SnapViT.Cli" ? space : space.Split('.')[2];

    [Fact]
    public void No_arrow_goes_through_a_wall()
    {
        string[] wrong = [.. Arrows().Where(arrow => Walls.Contains((arrow.From, arrow.To))).Select(arrow => arrow.Said)];
        Assert.True(wrong.Length == 0, string.Join(Environment.NewLine, wrong));
    }

    // Were the bodies of methods not read, the two tests above would pass whatever the code did.
    [Theory]
    [InlineData("Workflows", "Importance", "ElasticBuild uses CriterionRun")]
    [InlineData(Root, "Loading", "ElasticViT uses ModelFile")]
    [InlineData("Loading", "Tensors", "CheckpointWeights uses ArchiveTensors")]
    public void An_arrow_that_is_only_in_the_body_of_a_method_is_seen(string from, string to, string uses) =>
        Assert.Contains(Arrows(), arrow => arrow.From == from && arrow.To == to && arrow.Said.EndsWith(uses, StringComparison.Ordinal));

    private static IEnumerable<string> References(Assembly assembly) => assembly.GetReferencedAssemblies().Select(name => name.Name!);

    private static IEnumerable<string> Folders() => Torch.GetTypes().Select(Folder).OfType<string>().Distinct();

    private static (string From, string To, string Said)[] Arrows() =>
    [
        .. Layers.Uses(Torch)
            .Select(use => (From: Folder(use.User), To: Folder(use.Used), Said: $"{Outer(use.User).Name} uses {Outer(use.Used).Name}"))
            .Where(use => use.From is not null && use.To is not null && use.From != use.To)
            .Select(use => (use.From!, use.To!, $"{use.From} -> {use.To}: {use.Said}"))
            .Distinct(),
    ];

    private static int Layer(string folder) => Array.FindIndex(Library, layer => layer.Contains(folder));

    /// <summary>The folder below the library's root, or null for a type of another assembly or of the compiler.</summary>
    private static string? Folder(Type type) =>
        type.Assembly != Torch || Outer(type).Namespace is not string space ? null
        : space == Root ? Root
        : space.StartsWith(Root + ".", StringComparison.Ordinal) ? space.Split('.')[1] : null;

    private static Type Outer(Type type) => type.DeclaringType is Type outer ? Outer(outer) : type;
}
