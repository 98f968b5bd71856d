using System.Text.RegularExpressions;
using SnapViT.Core.Architecture;
using SnapViT.Tests.Export;

namespace SnapViT.Tests;

/// <summary>
/// Names of tensors stand as literals in two places only: in the parts of an architecture, which make the table of parameters, and in the tables of
/// the publishers' formats. Everything else asks by parameter.
/// </summary>
public sealed class TensorNameTests
{
    private static readonly string[] Places = ["SnapViT.Core/Architecture/Parts/", "SnapViT.Core/Formats/"];

    /// <summary>Keys of the scores file that are named after layers. They are no names of a model's tensors, and files keep them.</summary>
    private static readonly string[] KeysOfScores = ["SnapViT.Core/Scores/StoredMoments.cs", "SnapViT/Calibration/MomentStorage.cs"];

    /// <summary>Canonical names of every family, without the number of the block.</summary>
    private static readonly string[][] Names =
    [
        .. TinyModels.Families.Values
            .SelectMany(architecture => ParameterTable.For(architecture, architecture.FullWidths))
            .Select(parameter => parameter.Name.Split('.').Where(part => !char.IsAsciiDigit(part[0])).ToArray()),
    ];

    private static readonly Regex Quoted = new($"({string.Join('|', Patterns().Distinct())})", RegexOptions.CultureInvariant);

    [Fact]
    public void No_file_but_the_parts_and_the_tables_of_formats_holds_a_name_of_a_tensor()
    {
        string[] found = [.. Sources().Where(file => !Places.Any(file.Path.StartsWith) && !KeysOfScores.Contains(file.Path)).SelectMany(Hits)];
        Assert.True(found.Length == 0, string.Join(Environment.NewLine, found));
    }

    // Were no name found in any file, the test above would pass whatever the code held.
    [Theory]
    [InlineData("SnapViT.Core/Architecture/Parts/AttentionSpec.cs")]
    [InlineData("SnapViT.Core/Architecture/Parts/TokensSpec.cs")]
    [InlineData("SnapViT.Core/Formats/TimmFormats.cs")]
    public void Names_are_found_where_they_stand(string path) =>
        Assert.NotEmpty(Sources().Where(file => file.Path == path).SelectMany(Hits));

    [Theory]
    [InlineData("weights[\"blocks.0.mlp.fc1.weight\"]")]
    [InlineData("$\"blocks.{block}.attn.proj.weight\"")]
    [InlineData("string prefix = $\"blocks.{block}.\";")]
    [InlineData("prefix + (gated ? \"mlp.w3\" : \"mlp.fc2\")")]
    [InlineData("$\"{(gated ? \"w1\" : \"fc1\")}\"")]
    [InlineData("name + \".weight\"")]
    [InlineData("name.StartsWith(\"attn_pool.\")")]
    [InlineData("Has(\"cls_token\")")]
    [InlineData("Has(\"norm_pre.bias\")")]
    [InlineData("Find(\"head.weight\")")]
    public void A_name_or_a_part_of_one_is_found(string code) => Assert.NotEmpty(Hits(("Some.cs", [code])));

    [Theory]
    [InlineData("/// <summary>Weight of <c>mlp.fc1</c>, or \"attn.qkv\".</summary>")]
    [InlineData("throw new ArgumentException(\"expected finite moments and a positive weight\");")]
    [InlineData("Line(card, $\"| heads | {widths.Total(Axis.Heads)} |\");")]
    [InlineData("return layer.Weight.Bias;")]
    public void Prose_and_members_are_not_found(string code) => Assert.Empty(Hits(("Some.cs", [code])));

    /// <summary>What a quoted name of a tensor holds: a segment that no other text has, two segments side by side, or an end that names are put together of.</summary>
    private static IEnumerable<string> Patterns() => Names.SelectMany(name =>
        name.Where(part => part.Contains('_', StringComparison.Ordinal)).Select(part => $"\\b{part}\\b")
            .Concat(name.Zip(name.Skip(1), (first, second) => $"\\b{first}\\.{second}\\b"))
            .Concat(name.Skip(1).Select(part => $"\"\\.{part}\\b"))
            .Concat(name.SkipLast(1).Select(part => $"\\b{part}\\.\""))
            .Concat(name.Where(part => part is "qkv" or "proj" || char.IsAsciiDigit(part[^1])).Select(part => $"\"{part}\""))
            .Append("\\bblocks\\.[{0-9*]"));

    private static IEnumerable<string> Hits((string Path, string[] Lines) file) => file.Lines.Index()
        .Where(line => !line.Item.TrimStart().StartsWith("//", StringComparison.Ordinal) && Quoted.IsMatch(Literals(line.Item)))
        .Select(line => $"{file.Path}:{line.Index + 1}: {line.Item.Trim()}");

    /// <summary>Everything from the first quotation mark of a line to the last one.</summary>
    private static string Literals(string line)
    {
        int first = line.IndexOf('"', StringComparison.Ordinal);
        return first < 0 ? "" : line[first..(line.LastIndexOf('"') + 1)];
    }

    private static IEnumerable<(string Path, string[] Lines)> Sources()
    {
        string root = Path.Combine(Repository(), "src");
        return Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
            .Select(path => (Path: Path.GetRelativePath(root, path).Replace('\\', '/'), Full: path))
            .Where(file => !file.Path.Contains("/obj/", StringComparison.Ordinal) && !file.Path.Contains("/bin/", StringComparison.Ordinal))
            .Select(file => (file.Path, File.ReadAllLines(file.Full)));
    }

    private static string Repository()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "SnapViT.slnx")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("the tests run outside of the repository");
    }
}
