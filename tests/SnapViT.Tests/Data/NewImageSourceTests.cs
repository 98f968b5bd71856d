using System.Formats.Tar;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Workflows;

namespace SnapViT.Tests.Data;

/// <summary>Another source of images is entries that open, and a set of them: nothing else in the library has to know of it.</summary>
[LeakCheck]
public sealed class NewImageSourceTests : IDisposable
{
    private const int Photos = 6;

    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Photos_in_a_tar_archive_give_the_scores_that_their_files_give()
    {
        ImageSet files = _folder.PutMany(Photos);
        string archive = Path.Combine(_folder.Root, "photos.tar");
        using (TarWriter writer = new(File.Create(archive)))
        {
            foreach (ImageEntry file in files.Entries)
            {
                writer.WriteEntry(file.Location, file.Name);
            }
        }

        Assert.Equal(Photos, TarImages(archive).Count);
        Assert.Equal(files.Hash(), TarImages(archive).Hash());
        Assert.Equal(Scores(files), Scores(TarImages(archive)));
    }

    private byte[] Scores(ImageSet photos)
    {
        string model = SmallModels.Save(Path.Combine(_folder.Root, "model.safetensors"), SmallModels.Vit);
        using LoadedModel loaded = ModelFile.Load(model);
        using ElasticViT elastic = ElasticViT.Build(loaded, photos, BuildOptions.Recommended with { CalibrationViews = 2 });
        string path = Path.Combine(_folder.Root, "scores.safetensors");
        elastic.SaveScores(path);
        return File.ReadAllBytes(path);
    }

    /// <summary>The images of an uncompressed tar archive, read in place.</summary>
    private static ImageSet TarImages(string archive)
    {
        List<ImageEntry> entries = [];
        using TarReader reader = new(File.OpenRead(archive));
        while (reader.GetNextEntry() is TarEntry entry)
        {
            (long offset, long length) = (entry.DataOffset, entry.Length);
            entries.Add(ImageEntry.FromStream(entry.Name, length, () => Part(archive, offset, length)));
        }

        return new ImageSet(archive, entries);
    }

    private static MemoryStream Part(string file, long offset, long length)
    {
        using FileStream stream = File.OpenRead(file);
        stream.Position = offset;
        byte[] part = new byte[length];
        stream.ReadExactly(part);
        return new MemoryStream(part);
    }
}
