using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Tests.Checkpoints;

public sealed class AtomicFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_is_written_and_nothing_else_is_left()
    {
        AtomicFile.Write(_folder.File("a"), stream => stream.Write([1, 2, 3]));
        Assert.Equal([1, 2, 3], File.ReadAllBytes(_folder.File("a")));
        Assert.Equal(["a"], _folder.Names());
    }

    [Fact]
    public void An_existing_file_is_replaced_as_a_whole()
    {
        _folder.Put("a", [9, 9, 9, 9, 9]);
        AtomicFile.Write(_folder.File("a"), stream => stream.Write([1]));
        Assert.Equal([1], File.ReadAllBytes(_folder.File("a")));
    }

    [Fact]
    public void The_target_does_not_exist_while_it_is_being_written()
    {
        string[] during = [];
        AtomicFile.Write(_folder.File("a"), _ => during = _folder.Names());
        string partial = Assert.Single(during);
        Assert.Matches("^a\\.[0-9a-f]{8}\\.partial$", partial);
    }

    [Theory]
    [InlineData(typeof(OperationCanceledException))]
    [InlineData(typeof(IOException))]
    [InlineData(typeof(InvalidOperationException))]
    public void What_the_callback_throws_arrives_unchanged_and_the_old_file_stays(Type type)
    {
        _folder.Put("a", [9]);
        Exception thrown = (Exception)Activator.CreateInstance(type)!;
        Exception? caught = Record.Exception(() => AtomicFile.Write(_folder.File("a"), stream =>
        {
            stream.Write([1, 2, 3]);
            throw thrown;
        }));
        Assert.Same(thrown, caught);
        Assert.Equal(["a"], _folder.Names());
        Assert.Equal([9], File.ReadAllBytes(_folder.File("a")));
    }

    [Fact]
    public void A_missing_folder_is_named_before_anything_is_written()
    {
        string path = Path.Combine(_folder.Root, "nowhere", "a");
        bool called = false;
        IOException exception = Assert.ThrowsAny<IOException>(() => AtomicFile.Write(path, _ => called = true));
        Assert.Contains(path, exception.Message, StringComparison.Ordinal);
        Assert.Contains("there is no folder", exception.Message, StringComparison.Ordinal);
        Assert.False(called);
    }

    [Fact]
    public void A_directory_as_target_is_refused_by_name()
    {
        IOException exception = Assert.ThrowsAny<IOException>(() => AtomicFile.Write(_folder.Root, _ => { }));
        Assert.Equal($"cannot write {_folder.Root}: it is a directory", exception.Message);
    }

    [Fact]
    public void A_folder_that_is_a_file_is_refused()
    {
        string path = Path.Combine(_folder.Put("file", [1]), "a");
        Assert.ThrowsAny<IOException>(() => AtomicFile.Write(path, _ => { }));
    }

    [Fact]
    public void A_name_too_long_for_the_disk_names_the_target()
    {
        string path = _folder.File(new string('n', 300));
        IOException exception = Assert.ThrowsAny<IOException>(() => AtomicFile.Write(path, _ => { }));
        Assert.StartsWith($"cannot write {path}: ", exception.Message, StringComparison.Ordinal);
        Assert.Empty(_folder.Names());
    }

    [Fact]
    public void A_folder_without_write_permission_is_named()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("needs Unix file modes");
            return;
        }

        Assert.SkipWhen(Environment.IsPrivilegedProcess, "a privileged user may write everywhere");
        Directory.CreateDirectory(_folder.File("closed"));
        File.SetUnixFileMode(_folder.File("closed"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string path = Path.Combine(_folder.File("closed"), "a");
        UnauthorizedAccessException exception = Assert.Throws<UnauthorizedAccessException>(() => AtomicFile.Write(path, _ => { }));
        Assert.StartsWith($"cannot write {path}: ", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_full_disk_is_an_io_error()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "needs /dev/full");
        Assert.ThrowsAny<IOException>(() => AtomicFile.Write(_folder.File("a"), stream =>
        {
            using FileStream full = new("/dev/full", FileMode.Open, FileAccess.Write);
            full.Write(new byte[100_000]);
            stream.Write([1]);
        }));
        Assert.Empty(_folder.Names());
    }
}
