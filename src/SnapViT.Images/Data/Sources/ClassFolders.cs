namespace SnapViT.Data.Sources;

/// <summary>Photos in a folder for each split, such as <c>train</c> and <c>val</c>.</summary>
internal sealed class SplitFolders : IImageLayout
{
    /// <inheritdoc/>
    public string Name => "folders of splits";

    /// <inheritdoc/>
    public IReadOnlyList<ImageSplit>? Open(FileTree tree) => tree.TopFolders.Count > 0 && tree.TopFolders.All(ImageData.IsSplitName)
        && !tree.Files.Any(file => file.TopFolder is null && FileNames.IsPhoto(file.Name))
        ? [.. tree.TopFolders.Select(folder => new ImageSplit(folder, wanted => ClassFolders.Photos(tree.Below(folder), wanted)))]
        : null;
}

/// <summary>
/// Photos of a tree. Where they are in sub-folders, the sub-folders are the classes; a photo beside them has none.
/// </summary>
internal sealed class ClassFolders : IImageLayout
{
    /// <inheritdoc/>
    public string Name => "photos";

    /// <inheritdoc/>
    public IReadOnlyList<ImageSplit>? Open(FileTree tree) => [new ImageSplit(ImageSplit.All, wanted => Photos(tree, wanted))];

    /// <summary>The photos with the classes of their folders, or with those that a list tells.</summary>
    /// <param name="tree">The files.</param>
    /// <param name="wanted">Whether labels are needed, and the list that tells them.</param>
    /// <exception cref="ImageException">There is no image, or more than a tenth of the photos are not in the labels.</exception>
    public static ImageSet Photos(FileTree tree, Wanted wanted = default)
    {
        (IReadOnlyList<TreeFile> photos, IReadOnlyList<LeftOutItem> others) = FileNames.PhotosOf(tree);
        IReadOnlyList<LeftOut> leftOut = LeftOutItem.Rows(tree.LeftOut.Concat(others));
        if (photos.Count == 0)
        {
            string found = leftOut.Count == 0 ? "an empty folder" : string.Join("; ", leftOut);
            throw new ImageException(tree.Path, $"expected {FileNames.Formats} images, found {found}");
        }

        LabelFile? labels = wanted.List;
        FolderLabels told = labels is null ? FolderLabels.OfSubFolders(tree, photos) : FolderLabels.Of(tree.Path, photos, labels);
        if (wanted.Labels && labels is null && told.Classes.Count == 0
            && ListedFolders.Labels(tree, photos) is IReadOnlyList<string?> listed)
        {
            told = FolderLabels.OfList(listed);
        }

        return new ImageSet(tree.Path, photos.Select((photo, i) => ImageEntry.Of(photo, told.Labels[i])), told.Classes)
        {
            LeftOut = labels is null && told.Classes.Count > 0 ? [.. leftOut, .. EmptyClasses(tree, photos)] : leftOut,
            ClassesAreInOrder = told.List is not null,
            List = told.List,
            NumberRange = told.NumberRange,
        };
    }

    private static LeftOut[] EmptyClasses(FileTree tree, IReadOnlyList<TreeFile> photos)
    {
        string[] empty = [.. tree.TopFolders.Except(photos.Select(photo => photo.TopFolder), StringComparer.Ordinal)!];
        return empty.Length == 0 ? [] : [new LeftOut(LeftOutKind.EmptyClass, "class folders without a photo", empty.Length, empty[0])];
    }
}
