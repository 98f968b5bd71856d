using SnapViT.Data;

namespace SnapViT.Tests.Data.Sources;

public sealed class FolderTreeTests : IDisposable
{
    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_systems_and_tools_leave_behind_is_no_class_and_no_photo()
    {
        Put("cat/1.jpg", "cat/._1.jpg", "dog/2.jpg", "__MACOSX/cat/._1.jpg", "__MACOSX/cat/1.jpg", "lost+found/9.jpg", "@eaDir/1.jpg/thumb.jpg", "cat/Thumbs.db");
        Put(".ipynb_checkpoints/1-checkpoint.jpg", "dog/.hidden.jpg", ".DS_Store", "dog/.cache/2.jpg");
        ImageSet images = Read();
        Assert.Equal(["cat", "dog"], images.Classes);
        Assert.Equal(["cat/1.jpg", "dog/2.jpg"], Names(images));
        Assert.Equal(
            [(LeftOutKind.Hidden, 3, ".ipynb_checkpoints"), (LeftOutKind.System, 6, ".DS_Store")],
            images.LeftOut.Select(row => (row.Kind, row.Count, row.Example)));
    }

    [Fact]
    public void Files_that_are_not_read_are_counted_by_their_kind()
    {
        Put("a/1.jpg", "a/2.jp2", "b/3.JP2", "b/4.gif", "b/5.heic", "b/notes.txt", "readme", "a/x.jpg.bak");
        Assert.Equal(
            [
                ".gif images, of no format that is read (JPEG, PNG, WebP, BMP or TIFF): 1 (b/4.gif)",
                ".heic images, of no format that is read (JPEG, PNG, WebP, BMP or TIFF): 1 (b/5.heic)",
                ".jp2 images, of no format that is read (JPEG, PNG, WebP, BMP or TIFF): 2 (a/2.jp2, ...)",
                "files that are no images: 3 (a/x.jpg.bak, ...)",
                "class folders without a photo: 1 (b)",
            ],
            Read().LeftOut.Select(row => row.ToString()));
    }

    [Fact]
    public void A_folder_of_nothing_but_another_format_says_which()
    {
        Put("a/1.jp2", "a/2.jp2");
        Assert.Equal(
            $"{_folder.Root}: expected JPEG, PNG, WebP, BMP or TIFF images, found .jp2 images, of no format that is read (JPEG, PNG, WebP, BMP or TIFF): 2 (a/1.jp2, ...)",
            Assert.Throws<ImageException>(Read).Message);
    }

    [Fact]
    public void A_class_without_a_photo_keeps_its_number()
    {
        Put("a/1.jp2", "b/1.jpg");
        Directory.CreateDirectory(Path.Combine(_folder.Root, "c"));
        ImageSet images = Read();
        Assert.Equal(["a", "b", "c"], images.Classes);
        Assert.Equal(1, Assert.Single(images.Entries).Label);
        Assert.Contains(new LeftOut(LeftOutKind.EmptyClass, "class folders without a photo", 2, "a"), images.LeftOut);
    }

    [Fact]
    public void A_photo_beside_class_folders_is_left_out_where_labels_are_needed_only()
    {
        Put("cat/1.jpg", "dog/2.jpg", "preview.jpg");
        ImageSet images = Read();
        Assert.Equal(["cat/1.jpg", "dog/2.jpg", "preview.jpg"], Names(images));
        Assert.Empty(images.LeftOut);
        ImageSet labelled = images.Labelled();
        Assert.Equal([0, 1], labelled.Entries.Select(entry => entry.Label!.Value));
        Assert.Equal([new LeftOut(LeftOutKind.NoLabel, "photos without a class", 1, "preview.jpg")], labelled.LeftOut);
        Assert.Same(labelled, labelled.Labelled());
    }

    [Fact]
    public void A_flat_folder_does_not_become_labelled_by_one_sub_folder()
    {
        Put("1.jpg", "2.jpg", "more/3.jpg");
        Assert.Equal(
            $"{_folder.Root}: expected labels: one sub-folder per class, or a list of labels for a flat folder; found 2 of 3 photos without a label",
            Assert.Throws<ImageException>(() => Read().Labelled()).Message);
    }

    [Fact]
    public void Links_are_followed_once_and_what_is_there_without_one_keeps_its_name()
    {
        using TemporaryImages elsewhere = new();
        elsewhere.Put("1.jpg", "x"u8);
        Put("b/2.jpg", "c/3.jpg");
        Link("a", Path.Combine(_folder.Root, "b"));
        Link("b/loop", "..");
        Link("b/2 again.jpg", "2.jpg");
        Link("c/gone.jpg", "nowhere.jpg");
        Link("c/self", "self");
        Link("d", elsewhere.Root);
        Link("e", elsewhere.Root);
        ImageSet images = Read();
        Assert.Equal(["b/2.jpg", "c/3.jpg", "d/1.jpg"], Names(images));
        Assert.Equal(["b", "c", "d"], images.Classes);
        Assert.Equal(
            [(LeftOutKind.Repeated, 4, "a"), (LeftOutKind.Repeated, 1, "c/self"), (LeftOutKind.BrokenLink, 1, "c/gone.jpg")],
            images.LeftOut.Select(row => (row.Kind, row.Count, row.Example)));
    }

    [Fact]
    public void The_folder_itself_may_be_hidden_or_a_link()
    {
        _folder.Put(".photos/cat/1.jpg", "x"u8);
        Link("link", ".photos");
        Assert.Equal(["cat/1.jpg"], Names(ImageSet.FromFolder(Path.Combine(_folder.Root, ".photos"))));
        ImageSet linked = ImageSet.FromFolder(Path.Combine(_folder.Root, "link"));
        Assert.Equal(["cat/1.jpg"], Names(linked));
        Assert.Equal(Path.Combine(_folder.Root, "link", "cat/1.jpg"), linked.Entries[0].Location);
    }

    [Fact]
    public void A_folder_that_may_not_be_read_is_left_out()
    {
        Put("cat/1.jpg", "secret/2.jpg");
        string secret = Path.Combine(_folder.Root, "secret");
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("folders of Windows have no mode");
            return;
        }

        File.SetUnixFileMode(secret, UnixFileMode.None);
        try
        {
            Assert.SkipWhen(CanList(secret), "this user may read everything");
            Assert.Equal([new LeftOut(LeftOutKind.Unreadable, "folders that may not be read", 1, "secret")], Read().LeftOut);
            Assert.Equal($"{secret}: the folder may not be read", Assert.Throws<ImageException>(() => ImageSet.FromFolder(secret)).Message);
        }
        finally
        {
            File.SetUnixFileMode(secret, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    [Fact]
    public void Samples_and_parts_keep_what_was_left_out()
    {
        Put("a/1.jpg", "a/2.jpg", "a/.3.jpg");
        ImageSet images = Read();
        Assert.Single(images.LeftOut);
        Assert.Equal(images.LeftOut, images.Sample(1, seed: 1).LeftOut);
        Assert.Equal(images.LeftOut, images.Where(entry => entry.Name == "a/1.jpg").LeftOut);
    }

    private static bool CanList(string folder)
    {
        try
        {
            return Directory.GetFiles(folder).Length > 0;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }

    private void Put(params string[] names)
    {
        foreach (string name in names)
        {
            _folder.Put(name, "x"u8);
        }
    }

    private void Link(string name, string target) => File.CreateSymbolicLink(Path.Combine(_folder.Root, name), target);

    private ImageSet Read() => ImageSet.FromFolder(_folder.Root);

    private static IEnumerable<string> Names(ImageSet images) => images.Entries.Select(entry => entry.Name);
}
