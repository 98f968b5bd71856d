using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Data;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>
/// Puts the sums of shards together to the state of a build that has read all its photos. Sums are exact, so that the state is the same
/// however many shards there are, and the build that continues it gives the bytes of one that read all photos itself.
/// </summary>
internal static class ShardMerge
{
    /// <summary>Merges files of shards.</summary>
    /// <param name="paths">The files, in any order: every shard once.</param>
    /// <param name="to">The state to write.</param>
    /// <param name="cancellation">Stops between two sums.</param>
    /// <returns>What the state is of, and where it may differ in last bits from a build on one machine; null for nowhere.</returns>
    /// <exception cref="SnapViTException">A shard is missing, is there twice, or is of another build; or a file is no shard.</exception>
    public static (BuildPosition Position, string? Doubt) Merge(
        IReadOnlyList<string> paths, string to, CancellationToken cancellation = default)
    {
        List<Part> parts = [];
        Dictionary<string, ExactSum> sums = [];
        try
        {
            parts.AddRange(paths.Select(path => new Part(path)));
            Require(parts);
            foreach (Part part in parts)
            {
                foreach (string name in part.Sums.Names.Where(name => !ExactSum.IsRest(name)))
                {
                    cancellation.ThrowIfCancellationRequested();
                    if (!sums.TryGetValue(name, out ExactSum? sum))
                    {
                        sums.Add(name, sum = new ExactSum(part.Sums.ShapeOf(name)));
                    }

                    sum.Restore(part.Sums, name);
                }
            }

            int images = parts[0].Position.Images;
            BuildPosition position = new()
            {
                Photos = images,
                AllPhotos = images,
                Merged = parts.Count,
                Skipped =
                [
                    .. parts.OrderBy(part => part.Index).SelectMany(part => part.Position.Skipped).DistinctBy(skipped => skipped.Name),
                ],
                Machine = parts[0].Position.Machine,
            };
            List<TensorToWrite> tensors = [];
            SumWriter writer = new(tensors, BuildState.SumsPrefix);
            foreach ((string name, ExactSum sum) in sums)
            {
                sum.Save(writer, name);
            }

            BuildState.Write(to, position, parts[0].Fingerprint, tensors);
            return (position, DoubtOf(parts));
        }
        finally
        {
            parts.ForEach(part => part.Dispose());
            foreach (ExactSum sum in sums.Values)
            {
                sum.Dispose();
            }
        }
    }

    /// <summary>All shards of one build, each once.</summary>
    private static void Require(List<Part> parts)
    {
        Part first = parts[0];
        foreach (Part part in parts.Skip(1))
        {
            if (part.Fingerprint != first.Fingerprint)
            {
                throw new SnapViTException(
                    ErrorKind.Option,
                    $"{part.Path}: expected a shard of the same build as {first.Path}, found one of another: "
                        + BuildState.Difference(first.Fingerprint, part.Fingerprint));
            }

            if (part.Shard.Count != first.Shard.Count)
            {
                throw new SnapViTException(
                    ErrorKind.Option, $"{part.Path}: expected a shard of {first.Shard.Count} as {first.Path}, found {part.Shard}");
            }
        }

        if (parts.GroupBy(part => part.Index).FirstOrDefault(same => same.Count() > 1) is IGrouping<int, Part> twice)
        {
            throw new SnapViTException(
                ErrorKind.Option,
                $"{twice.Last().Path}: expected every shard once, found {twice.First().Shard} in {twice.First().Path} too");
        }

        int[] missing = [.. Enumerable.Range(0, first.Shard.Count).Except(parts.Select(part => part.Index)).Select(index => index + 1)];
        if (missing.Length > 0)
        {
            string which = string.Join(", ", missing.Take(10)) + (missing.Length > 10 ? ", ..." : "");
            throw new SnapViTException(
                ErrorKind.Option, $"shards: expected all {first.Shard.Count}, found {parts.Count} without {which}");
        }
    }

    private static string? DoubtOf(List<Part> parts)
    {
        string[] machines = [.. parts.Select(part => part.Position.Machine).Distinct()];
        return machines.Length == 1
            ? null
            : $"shards were made by different machines ({string.Join("; ", machines)}): "
                + "the scores may differ in their last bits from those of one machine";
    }

    /// <summary>An open file of a shard.</summary>
    private sealed class Part : IDisposable
    {
        private readonly SafetensorsReader _file;

        public Part(string path)
        {
            _file = SafetensorsReader.Open(path);
            try
            {
                if (!BuildState.IsOne(_file))
                {
                    throw new CheckpointFormatException(path, "expected a shard of a build, found another file");
                }

                Position = BuildState.Describe(_file);
                Shard = Position.Shard
                    ?? throw new CheckpointFormatException(path, "expected a shard of a build, found the state of a whole one");
                if (Position.Photos < Position.AllPhotos || Position.Images == 0)
                {
                    throw new CheckpointFormatException(
                        path, $"expected a complete shard, found one with {Position.Photos} of {Position.AllPhotos} photos read");
                }
            }
            catch
            {
                _file.Dispose();
                throw;
            }

            Fingerprint = BuildState.FingerprintOf(_file);
            Sums = new SumReader(_file, CPU, BuildState.SumsPrefix);
        }

        public string Path => _file.Path;

        public BuildPosition Position { get; }

        public ImageShard Shard { get; }

        public int Index => Shard.Index;

        public string Fingerprint { get; }

        public SumReader Sums { get; }

        public void Dispose() => _file.Dispose();
    }
}
