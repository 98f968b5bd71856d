namespace SnapViT.Data.Sources;

/// <summary>
/// ImageNet-1k as its authors publish it: an archive of an archive for each class to train, a flat archive to validate, and the development
/// kit that tells the classes of the latter. Each may be unpacked.
/// </summary>
internal sealed class ImageNet : IImageLayout
{
    private const string TrainTar = "ILSVRC2012_img_train.tar";
    private const string ValidationTar = "ILSVRC2012_img_val.tar";
    private const string Kit = "ILSVRC2012_devkit_t12.tar.gz";
    private const string TruthList = "ILSVRC2012_validation_ground_truth.txt";
    private const string Solution = "LOC_val_solution.csv";
    private const string Start = "ILSVRC2012_val_";

    /// <inheritdoc/>
    public string Name => "ImageNet-1k";

    /// <inheritdoc/>
    public IReadOnlyList<ImageSplit>? Open(FileTree tree)
    {
        List<ImageSplit> splits = [];
        if (tree.Find(TrainTar) is TreeFile train)
        {
            splits.Add(new ImageSplit("train", wanted => Train(tree, train, wanted)));
        }
        else if (IsOfClassTars(tree))
        {
            splits.Add(new ImageSplit("train", wanted => Train(tree, null, wanted)));
        }
        else if (tree.TopFolders.Contains("train") && HasFlatValidation(tree, "val/"))
        {
            splits.Add(new ImageSplit("train", wanted => ClassFolders.Photos(tree.Below("train"), wanted)));
        }

        if (tree.Find(ValidationTar) is TreeFile validation)
        {
            splits.Add(new ImageSplit("val", wanted =>
                Validation(tree, TarTree.Read(validation.Location, validation.Bytes).Unwrapped(), wanted)));
        }
        else if (HasFlatValidation(tree, "val/") || HasFlatValidation(tree, ""))
        {
            splits.Add(new ImageSplit("val", wanted => Validation(tree, HasFlatValidation(tree, "") ? tree : tree.Below("val"), wanted)));
        }

        return splits.Count > 0 ? splits : null;
    }

    /// <summary>Whether photos to validate lie in a folder, and what tells their classes is near.</summary>
    private static bool HasFlatValidation(FileTree tree, string folder) => tree.Files.Any(file =>
            file.Name.StartsWith(folder + Start, StringComparison.Ordinal) && FileNames.IsPhoto(file.Name))
        && (tree.Files.Any(IsTruth) || Beside(tree).Files.Any(IsTruth));

    private static bool IsOfClassTars(FileTree tree) => tree.Files.Count > 0 && tree.Files.All(file =>
        file.TopFolder is null && file.Name.EndsWith(".tar", StringComparison.Ordinal) && ClassNames.IsWordNet(file.Name[..^4]));

    /// <summary>The archives of the classes, in the archive or beside each other.</summary>
    private static ImageSet Train(FileTree tree, TreeFile? train, Wanted wanted)
    {
        FileTree classes = train is null ? tree : TarTree.Read(train.Location, train.Bytes);
        List<TreeFile> photos = [];
        foreach (TreeFile file in classes.Files.Where(file => file.Name.EndsWith(".tar", StringComparison.Ordinal)))
        {
            photos.AddRange(TarTree.Read(file.Location, file.Bytes).Files
                .Select(photo => new TreeFile($"{file.FileName[..^4]}/{photo.FileName}", photo.Location, photo.Bytes)));
        }

        return ClassFolders.Photos(new FileTree(train?.Location ?? tree.Path, photos, [], tree.LeftOut), wanted);
    }

    private static ImageSet Validation(FileTree tree, FileTree photos, Wanted wanted)
    {
        FileTree images = new(photos.Path, photos.Files.Where(file => FileNames.IsPhoto(file.Name)), [], photos.LeftOut);
        if (!wanted.Labels || wanted.List is not null)
        {
            return ClassFolders.Photos(images, wanted);
        }

        (IReadOnlyList<string> classes, Func<string, string?> classOf) = Truth(tree);
        Dictionary<string, int> indices = classes.Select((name, index) => (name, index)).ToDictionary();
        return new ImageSet(images.Path, images.Files.Select(file => ImageEntry.Of(
            file,
            classOf(FileNames.Stem(file.FileName)) is string name ? indices[name] : null)), classes)
        {
            LeftOut = LeftOutItem.Rows(photos.LeftOut),
            ClassesAreInOrder = false,
        };
    }

    /// <summary>
    /// The classes in their order, and the class of a photo by its name: from the development kit, or from Kaggle's solution.
    /// </summary>
    private static (IReadOnlyList<string> Classes, Func<string, string?> ClassOf) Truth(FileTree tree)
    {
        FileTree near = tree.Files.Any(IsTruth) ? tree : Beside(tree);
        if (near.Files.FirstOrDefault(file => file.FileName == Solution) is TreeFile solution)
        {
            Dictionary<string, string> told = [];
            foreach (string line in solution.ReadLines().Skip(1))
            {
                string[] fields = line.Split([',', ' '], 3);
                told[fields[0]] = fields.Length > 1 && ClassNames.IsWordNet(fields[1])
                    ? fields[1]
                    : throw new ImageException(solution.Location, $"expected 'image,class ...', found '{line}'");
            }

            return ([.. told.Values.Distinct().Order(StringComparer.Ordinal)], told.GetValueOrDefault);
        }

        FileTree kit = near.Files.FirstOrDefault(file => file.FileName == Kit) is TreeFile archive
            ? ArchiveTree.Of(archive.Location, archive.Bytes)!
            : near;
        TreeFile truth = kit.Files.FirstOrDefault(file => file.FileName == TruthList)
            ?? throw new ImageException(
                tree.Path,
                $"expected {Kit}, its {TruthList} with meta.mat, or {Solution} with the photos, which tell their classes; found none");
        TreeFile meta = kit.Files.FirstOrDefault(file => file.FileName == "meta.mat")
            ?? throw new ImageException(
                truth.Location,
                "expected meta.mat of the development kit beside it, since its numbers are not in the order of models; found none");
        IReadOnlyDictionary<int, string> synsets = Synsets(meta);
        string[] lines = [.. truth.ReadLines().Where(line => line.Length > 0)];
        return ([.. synsets.Values.Order(StringComparer.Ordinal)], Of);

        string? Of(string photo)
        {
            int? number = photo.StartsWith(Start, StringComparison.Ordinal) ? ClassNames.NumberOf(photo[Start.Length..]) : null;
            if (number is not int place || place < 1 || place > lines.Length)
            {
                return null;
            }

            return ClassNames.NumberOf(lines[place - 1].Trim()) is int synset && synsets.TryGetValue(synset, out string? name)
                ? name
                : throw new ImageException(
                    truth.Location, $"line {place}: expected a class of 1 to {synsets.Count}, found '{lines[place - 1]}'");
        }
    }

    private static bool IsTruth(TreeFile file) =>
        file.FileName is Kit or TruthList or Solution;

    /// <summary>The files beside an archive or a folder that was opened by itself.</summary>
    private static FileTree Beside(FileTree tree)
    {
        string? folder = Path.GetDirectoryName(Path.GetFullPath(tree.Path));
        return folder is null || !Directory.Exists(folder)
            ? tree
            : new FileTree(
                folder,
                Directory.EnumerateFiles(folder).Select(file => new TreeFile(Path.GetFileName(file), file, new FileBytes(file))));
    }

    /// <summary>The WordNet identifiers of the classes by their numbers: the synsets that have no children.</summary>
    private static Dictionary<int, string> Synsets(TreeFile meta)
    {
        const int mostBytes = 64 << 20;
        try
        {
            Dictionary<int, string> synsets = [];
            foreach (IReadOnlyDictionary<string, object> row in MatFile.ReadStructs(meta.ReadAll(mostBytes), "synsets"))
            {
                if (row.GetValueOrDefault("num_children") is 0.0 && row.GetValueOrDefault("ILSVRC2012_ID") is double number
                    && row.GetValueOrDefault("WNID") is string name && ClassNames.IsWordNet(name))
                {
                    synsets[(int)number] = name;
                }
            }

            return synsets.Count > 0 ? synsets : throw new InvalidDataException("expected synsets without children, found none");
        }
        catch (InvalidDataException exception)
        {
            throw new ImageException(meta.Location, exception.Message);
        }
    }
}
