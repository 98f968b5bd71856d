using System.CommandLine;
using System.CommandLine.Parsing;
using SnapViT.Cli.Output;
using SnapViT.Cli.Pages;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Data.Sources;
using SnapViT.Export;
using SnapViT.Hub;
using SnapViT.Loading;

namespace SnapViT.Cli.Commands;

/// <summary>Which arguments and options name files, and the checks of them that come before any work of any verb.</summary>
internal static class PathArguments
{
    /// <summary>What is done with a path.</summary>
    internal enum Use
    {
        /// <summary>Read: a model, or its name on the hub.</summary>
        ReadModel,

        /// <summary>Read: a file.</summary>
        ReadFile,

        /// <summary>Read: images, in a folder or in what holds them.</summary>
        ReadPhotos,

        /// <summary>Written.</summary>
        Write,

        /// <summary>A folder that is written.</summary>
        WriteFolder,
    }

    private const string LatencyTable = "--latency-table";

    /// <summary>How the names of weights start that a folder is opened by.</summary>
    private static readonly string[] Weights = ["model.", "pytorch_model", "open_clip_"];

    /// <summary>All arguments and options that name files, of all verbs.</summary>
    public static IReadOnlyDictionary<string, Use> Uses { get; } = new Dictionary<string, Use>
    {
        ["MODEL"] = Use.ReadModel,
        ["FILE"] = Use.ReadModel,
        ["SCORES"] = Use.ReadFile,
        ["--scores"] = Use.ReadFile,
        ["--labels"] = Use.ReadFile,
        ["PATH"] = Use.ReadPhotos,
        ["SETS"] = Use.ReadPhotos,
        ["--images"] = Use.ReadPhotos,
        ["--train"] = Use.ReadPhotos,
        ["--test"] = Use.ReadPhotos,
        ["--voc"] = Use.ReadPhotos,
        ["--out"] = Use.Write,
        ["--sheet"] = Use.Write,
        ["--map"] = Use.Write,
        ["--chart"] = Use.Write,
        ["--table"] = Use.Write,
        ["--initial-covariance"] = Use.ReadFile,
        ["--onnx"] = Use.Write,
        ["--pt"] = Use.Write,
        ["--record"] = Use.Write,
        [LatencyTable] = Use.Write,
        ["--hub"] = Use.WriteFolder,
        ["--onnx-family"] = Use.WriteFolder,
        ["--files"] = Use.WriteFolder,
        ["--from"] = Use.ReadFile,
        ["RUN"] = Use.ReadFile,
        ["PLAN"] = Use.ReadFile,
        ["SHARDS"] = Use.ReadFile,
        ["--figures"] = Use.WriteFolder,
        ["FAMILY"] = Use.ReadFile,
        ["--api-key-file"] = Use.ReadFile,
    };

    /// <summary>
    /// Refuses a command line that names an input that is not there, would write over what it reads, or write one file twice.
    /// </summary>
    /// <exception cref="FileNotFoundException">An input is not there.</exception>
    /// <exception cref="SnapViTException">
    /// An output is an input, lies where an input is read from, is another output, or is there already and may not be replaced.
    /// </exception>
    public static void Require(ParseResult parsed)
    {
        (string Name, string Path, Use Use)[] given = [.. Given(parsed.CommandResult)];
        foreach ((_, string path, Use use) in given)
        {
            RequireThere(path, use);
        }

        Written[] written = [.. given.SelectMany(path => WrittenFor(parsed, path.Name, path.Path, path.Use))];
        foreach ((string name, string path, Use use) in given.Where(path => path.Use is Use.ReadModel or Use.ReadFile or Use.ReadPhotos))
        {
            foreach (Written output in written)
            {
                if (Fault(output, path, use) is string fault)
                {
                    throw new SnapViTException(ErrorKind.Option, $"{output}: {fault} {name} {path}; expected another path to write");
                }
            }
        }

        RequireOneEach(written);
        RequireNothingLost(parsed, written);
    }

    private static void RequireThere(string path, Use use)
    {
        if (use == Use.ReadModel)
        {
            HubModel.Named(path);
        }
        else if (use is Use.ReadFile or Use.ReadPhotos && !Path.Exists(path)
            && !(use == Use.ReadPhotos && ImageLocation.Parse(path).IsPattern))
        {
            string meant = Nearest.Path(path) is string near ? $"; did you mean {near}?" : "";
            throw new FileNotFoundException(
                use == Use.ReadFile
                    ? $"cannot read {path}: there is no such file{meant}"
                    : $"{path}: there is no such folder{meant}",
                path);
        }
    }

    private static IEnumerable<(string Name, string Path, Use Use)> Given(CommandResult command)
    {
        foreach (SymbolResult result in command.Children)
        {
            (string? name, IReadOnlyList<Token> tokens) = result switch
            {
                OptionResult { Implicit: false } option => (option.Option.Name, option.Tokens),
                ArgumentResult argument => (argument.Argument.Name, argument.Tokens),
                _ => (null, []),
            };
            if (name is not null && Uses.TryGetValue(name, out Use use))
            {
                foreach (Token token in tokens.Where(token => token.Value.Length > 0))
                {
                    yield return (name, use == Use.ReadPhotos ? ImageLocation.Parse(token.Value).Path : token.Value, use);
                }
            }
        }
    }

    /// <summary>All files that an option makes a verb write.</summary>
    private static IEnumerable<Written> WrittenFor(ParseResult parsed, string option, string path, Use use)
    {
        // What cannot be written at all, such as a file where a folder is, is said by the verb.
        string[] files = (use, parsed.CommandResult.Command.Name, option) switch
        {
            (Use.WriteFolder, _, _) => [path],
            (Use.Write, _, _) when Directory.Exists(path) => [],
            (Use.Write, "cut", "--out") => [path, ModelFile.ConfigPath(path)],
            (Use.Write, "convert", "--out") => ConvertCommand.FilesOf(parsed, path),
            (Use.Write, "embed", "--out") => [.. FeatureFile.FilesOf(path)],
            (Use.Write, "report" or "demo", "--out") => [path, ReportFiles.TableOf(path)],
            (Use.Write, "build" or "merge-scores", "--out") => [path, path + BuildCommand.Unfinished],
            (Use.Write, _, "--onnx") => [path, path + OnnxExport.DataSuffix],
            (Use.Write, _, _) => [path],
            _ => [],
        };
        return files.Select(file => new Written(option, file, FileIdentity.Of(file)));
    }

    /// <summary>What is wrong with an output beside an input: the start of a sentence that ends with the input; null for nothing.</summary>
    private static string? Fault(Written output, string read, Use use)
    {
        FileIdentity input = FileIdentity.Of(read);
        if (input.IsSameAs(output.File))
        {
            return "would replace what is read,";
        }

        if (input.IsInside(output.File))
        {
            return "is the folder of what is read,";
        }

        bool isInside = output.File.IsInside(input);
        bool isPart = use == Use.ReadModel
            && ((isInside && IsWeights(output.Path)) || FilesOf(read).Any(part => FileIdentity.Of(part).IsSameAs(output.File)));
        return (isPart || (isInside && use == Use.ReadPhotos)) && File.Exists(output.Path) ? "would replace a file of what is read,"
            : isPart ? "would from then on be read as a part of"
            : null;
    }

    /// <summary>Whether a folder with such a file in it would be opened by it.</summary>
    private static bool IsWeights(string path) =>
        Weights.Any(start => Path.GetFileName(path).StartsWith(start, StringComparison.OrdinalIgnoreCase));

    /// <summary>The files that a model is read from beside the one that was named, whether they are there yet or not.</summary>
    private static IEnumerable<string> FilesOf(string model)
    {
        bool isFolder = Directory.Exists(model);
        if (!isFolder && !File.Exists(model))
        {
            return [];
        }

        string folder = isFolder ? model : Path.GetDirectoryName(model) ?? "";
        IReadOnlyList<string> weights = Files(model);
        IEnumerable<string> descriptions = ModelFiles.Descriptions.Select(name => Path.Combine(folder, name));
        return [.. weights, .. weights.Append(model).Select(ModelFile.ConfigPath), .. descriptions];
    }

    private static IReadOnlyList<string> Files(string model)
    {
        try
        {
            return CheckpointArchive.Files(model);
        }
        catch (Exception exception) when (exception is SnapViTException or IOException or UnauthorizedAccessException)
        {
            // What is wrong with the model is said when it is opened.
            return [];
        }
    }

    /// <summary>
    /// Files that are there are replaced only where that is asked for. The state of an interrupted build is continued, a latency table read
    /// and used.
    /// </summary>
    private static void RequireNothingLost(ParseResult parsed, Written[] written)
    {
        if (!parsed.GetValue(GlobalOptions.Force)
            && Array.Find(written, output => output.IsResult && File.Exists(output.Path)) is Written lost)
        {
            throw new SnapViTException(ErrorKind.Option, $"{lost}: there is such a file already; --force replaces it");
        }
    }

    private static void RequireOneEach(Written[] written)
    {
        for (int i = 0; i < written.Length; i++)
        {
            if (written.Take(i).FirstOrDefault(other => other.File.IsSameAs(written[i].File)) is Written other)
            {
                throw new SnapViTException(ErrorKind.Option, $"expected a file of its own for each output, found {other} and {written[i]}");
            }
        }
    }

    private sealed record Written(string Option, string Path, FileIdentity File)
    {
        /// <summary>Whether the file is the result, not something that is kept for later runs.</summary>
        public bool IsResult => Option != LatencyTable && !Path.EndsWith(BuildCommand.Unfinished, StringComparison.Ordinal);

        public override string ToString() => $"{Option} {Path}";
    }
}
