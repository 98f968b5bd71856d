using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Tests.Checkpoints;

public sealed class AtomicFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_new_or_empty_folder_is_filled_and_nothing_else_is_left(bool exists)
    {
        if (exists)
        {
            Directory.CreateDirectory(_folder.File("a"));
        }

        AtomicFolder.Write(_folder.File("a"), partial => File.WriteAllText(Path.Combine(partial, "b"), "c"));
        Assert.Equal("c", File.ReadAllText(Path.Combine(_folder.File("a"), "b")));
        Assert.Equal(["a"], _folder.Names());
    }

    [Fact]
    public void A_failure_arrives_unchanged_and_leaves_nothing()
    {
        InvalidOperationException thrown = new();
        Exception? caught = Record.Exception(() => AtomicFolder.Write(_folder.File("a"), partial =>
        {
            File.WriteAllText(Path.Combine(partial, "b"), "c");
            throw thrown;
        }));
        Assert.Same(thrown, caught);
        Assert.Empty(_folder.Names());
    }

    [Fact]
    public void A_folder_with_files_is_never_touched()
    {
        Directory.CreateDirectory(_folder.File("a"));
        File.WriteAllText(Path.Combine(_folder.File("a"), "mine"), "x");
        IOException refused = Assert.Throws<IOException>(() => AtomicFolder.Write(_folder.File("a"), _ => Assert.Fail("filled")));
        Assert.Contains("files in it", refused.Message, StringComparison.Ordinal);
        Assert.Equal(["mine"], Directory.EnumerateFiles(_folder.File("a")).Select(Path.GetFileName));
    }

    [Fact]
    public void A_file_in_the_way_and_a_missing_parent_are_refused_before_anything_is_filled()
    {
        _folder.Put("a", [1]);
        Assert.Throws<IOException>(() => AtomicFolder.Write(_folder.File("a"), _ => Assert.Fail("filled")));
        Assert.Throws<DirectoryNotFoundException>(() => AtomicFolder.Write(Path.Combine(_folder.File("none"), "b"), _ => Assert.Fail("filled")));
    }
}
