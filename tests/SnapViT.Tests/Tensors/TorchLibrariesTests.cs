using System.Runtime.InteropServices;
using SnapViT.Tensors;

namespace SnapViT.Tests.Tensors;

/// <summary>The second way of loading, called here as the runtime calls it on systems that need it.</summary>
public sealed class TorchLibrariesTests : IDisposable
{
    private const string Bridge = "libLibTorchSharp.so";
    private const string Advice = "; a program that uses SnapViT adds it with: dotnet add package libtorch-cpu-linux-x64 --version 2.10.0";
    private static readonly string[] Torch = ["libc10.so", "libtorch_cpu.so", "libtorch.so"];

    private readonly string folder = Directory.CreateTempSubdirectory().FullName;

    public TorchLibrariesTests() => Assert.SkipUnless(
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64, "needs Linux on x86-64");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void The_package_as_it_was_built_is_loaded_and_left_unchanged()
    {
        byte[] before = File.ReadAllBytes(Real(Bridge));
        nint handle = TorchLibraries.Load(TorchLibraries.SearchFolders());
        Assert.True(NativeLibrary.TryGetExport(handle, "THSTensor_ones", out _));
        Assert.True(before.AsSpan().SequenceEqual(File.ReadAllBytes(Real(Bridge))));
        Assert.False(before.AsSpan().SequenceEqual(GlibcxxPatch.Apply(before)));
    }

    [Fact]
    public void The_adapted_copy_is_accepted_by_this_systems_loader()
    {
        nint handle = AnonymousLibrary.Load(Bridge, GlibcxxPatch.Apply(File.ReadAllBytes(Real(Bridge))));
        Assert.True(NativeLibrary.TryGetExport(handle, "THSTensor_ones", out _));
    }

    [Fact]
    public void Two_copies_are_two_libraries()
    {
        byte[] adapted = GlibcxxPatch.Apply(File.ReadAllBytes(Real(Bridge)));
        Assert.NotEqual(AnonymousLibrary.Load("first", adapted), AnonymousLibrary.Load("second", adapted));
    }

    [Fact]
    public void The_file_of_a_refused_library_is_closed()
    {
        Assert.Throws<DllNotFoundException>(() => AnonymousLibrary.Load("nonsense-left-open", "nonsense"u8));
        IEnumerable<string?> open = Directory.GetFiles("/proc/self/fd").Select(file => new FileInfo(file).LinkTarget);
        Assert.DoesNotContain(open, target => target?.Contains("nonsense-left-open", StringComparison.Ordinal) == true);
    }

    [Fact]
    public void A_missing_bridge_is_named_with_its_package_and_the_folders() =>
        AssertUnavailable($"libLibTorchSharp.so of the package TorchSharp is in none of: {folder}{Advice}");

    [Theory]
    [InlineData("libc10.so")]
    [InlineData("libtorch_cpu.so")]
    [InlineData("libtorch.so")]
    public void A_missing_libtorch_is_named_with_its_package_and_the_folders(string missing)
    {
        Link([Bridge, .. Torch.Where(name => name != missing)]);
        AssertUnavailable($"{missing} of the package libtorch-cpu-linux-x64 is in none of: {folder}{Advice}");
    }

    [Fact]
    public void A_damaged_libtorch_is_named_with_the_loaders_reason()
    {
        Link([Bridge, .. Torch[1..]]);
        File.WriteAllText(Path.Combine(folder, Torch[0]), "nonsense");
        AssertUnavailable($"{folder}/libc10.so cannot be loaded: {folder}/libc10.so: file too short");
    }

    [Fact]
    public void A_damaged_bridge_is_named_with_the_loaders_reason()
    {
        Link(Torch);
        File.WriteAllText(Path.Combine(folder, Bridge), new string('x', 4096));
        AssertUnavailable($"{folder}/{Bridge} cannot be loaded: {folder}/{Bridge}: invalid ELF header");
    }

    private static string Real(string name) =>
        TorchLibraries.SearchFolders().Select(at => Path.Combine(at, name)).First(File.Exists);

    private void Link(IEnumerable<string> names)
    {
        foreach (string name in names)
        {
            File.CreateSymbolicLink(Path.Combine(folder, name), Real(name));
        }
    }

    private void AssertUnavailable(string message)
    {
        TorchUnavailableException thrown = Assert.Throws<TorchUnavailableException>(() => TorchLibraries.Load([folder]));
        Assert.Equal(message, thrown.Message);
    }
}
