using SnapViT.Core.Architecture;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Tests.Models;

/// <summary>
/// The forward pass of every family once more, by plain loops in double: one image to its tokens and its feature. A yardstick that shares nothing but the
/// weights.
/// </summary>
internal sealed class PlainVisionTransformer(VisionTransformer model)
{
    private readonly ViTArchitecture _a = model.Architecture;
    private readonly Dictionary<string, double[]> _weights = model.Weights.Tensors.ToDictionary(pair => pair.Key, pair => Values(pair.Value));

    /// <summary>
    /// How much clearer than the next best every pair was that was merged so far: the smallest difference of two similarities. Where it is no larger than
    /// rounding, another forward pass may have merged others.
    /// </summary>
    public double Margin { get; private set; } = double.PositiveInfinity;

    /// <summary>The token of the last block that every patch of the last image is in.</summary>
    public IReadOnlyList<int> Places { get; private set; } = [];

    /// <summary>Tokens [N][D] after the final norm, every patch as the token that it was merged into.</summary>
    /// <param name="image">[3, S, S], flat.</param>
    public double[][] Tokens(double[] image)
    {
        double[][] left = Blocks(image)[^1];
        double[][] tokens = [.. left[.._a.PrefixTokens], .. Places.Select(place => left[place])];
        return _a.NormAfterPool ? tokens : Norm(tokens, "norm");
    }

    /// <summary>Tokens [N][D] that enter the first block, then those that leave each block.</summary>
    /// <param name="image">[3, S, S], flat.</param>
    public double[][][] Blocks(double[] image)
    {
        double[][] tokens = Place(Patches(image));
        tokens = _a.HasPreNorm ? Norm(tokens, "norm_pre") : tokens;
        Merged stream = new(tokens, [.. tokens.Select(_ => 1.0)], [.. tokens.Select((_, place) => place)], [.. Enumerable.Range(_a.PrefixTokens, _a.Patches)]);
        List<double[][]> stages = [tokens];
        for (int block = 0; block < _a.Depth; block++)
        {
            string prefix = $"blocks.{block}.";
            BlockWidths widths = model.Widths[block];
            double[][] mixed = Attention(stream, Norm(stream.Tokens, prefix + "norm1"), prefix, widths, out double[][] keys, out double[]? attention);
            stream = stream with { Tokens = Add(stream.Tokens, mixed, prefix + "ls1.gamma") };
            if (block < _a.Depth - 1 || _a.PooledTokens == 0)
            {
                stream = Merge(stream, keys, attention, stream.Tokens.Length - widths[Axis.Tokens]);
            }

            tokens = Add(stream.Tokens, Mlp(Norm(stream.Tokens, prefix + "norm2"), prefix + "mlp.", widths[Axis.Neurons], _a.Mlp), prefix + "ls2.gamma");
            stream = stream with { Tokens = tokens };
            stages.Add(tokens);
        }

        Places = stream.Places;
        return [.. stages];
    }

    /// <summary>Merges the pairs of an even and an odd patch token that lose least, one after the other.</summary>
    private Merged Merge(Merged stream, double[][] keys, double[]? attention, int pairs)
    {
        int prefix = _a.PrefixTokens, count = stream.Tokens.Length;
        double[][] unit = [.. keys.Select(key => key.Select(value => value / Math.Sqrt(Dot(key, key))).ToArray())];
        int[] even = [.. Enumerable.Range(prefix, count - prefix).Where(place => (place - prefix) % 2 == 0)], odd = [.. even.Select(place => place + 1).Where(place => place < count)];
        (int From, int Into, double Gained)[] order =
        [
            .. even.Select(from => odd.MaxBy(into => Dot(unit[from], unit[into])) is int into ? (from, into, Gained(from, into)) : default)
                .OrderByDescending(pair => pair.Item3),
        ];
        if (pairs == 0)
        {
            return stream;
        }

        Margin = Math.Min(Margin, pairs < order.Length ? order[pairs - 1].Gained - order[pairs].Gained : Margin);
        Dictionary<int, int> into = [];
        foreach ((int from, int destination, _) in order.Take(pairs))
        {
            into[from] = destination;
        }

        // A partner that is hardly nearer than the next may be another one elsewhere, and with it the order.
        foreach ((int from, int destination, _) in order)
        {
            Margin = odd.Where(other => other != destination).Aggregate(
                Margin, (least, other) => Math.Min(least, Dot(unit[from], unit[destination]) - Dot(unit[from], unit[other])));
        }

        double Gained(int from, int partner) => (Dot(unit[from], unit[partner]) - 1) * (attention is not null
            ? Math.Sqrt(attention[from])
            : stream.Sizes.All(size => size == 1) ? 1 : stream.Sizes[from] * stream.Sizes[partner] / (stream.Sizes[from] + stream.Sizes[partner]));

        int[] kept = [.. Enumerable.Range(0, count).Where(place => !into.ContainsKey(place))];
        int[][] members = [.. kept.Select(place => into.Where(pair => pair.Value == place).Select(pair => pair.Key).Prepend(place).ToArray())];
        int[] moved = [.. Enumerable.Range(0, count).Select(place => Array.FindIndex(members, all => all.Contains(place)))];
        return new Merged(
            [.. members.Select(all => Enumerable.Range(0, _a.EmbedDim).Select(i => all.Sum(place => stream.Tokens[place][i] * stream.Sizes[place]) / all.Sum(place => stream.Sizes[place])).ToArray())],
            [.. members.Select(all => all.Sum(place => stream.Sizes[place]))],
            [.. kept.Select(place => stream.Origins[place])],
            [.. stream.Places.Select(place => moved[place])]);
    }

    /// <summary>Tokens, how many patches each stands for, the place in the image that each has, and the token of every patch.</summary>
    private sealed record Merged(double[][] Tokens, double[] Sizes, int[] Origins, int[] Places);

    /// <summary>The pooled feature of tokens.</summary>
    public double[] Pool(double[][] tokens)
    {
        double[] pooled = _a.Pooling switch
        {
            Pooling.ClassToken => tokens[0],
            Pooling.ClassAndDistillation => Mean(tokens[..2]),
            Pooling.AveragePatches => Mean(tokens[_a.PrefixTokens..]),
            _ => AttentionPool(tokens),
        };
        pooled = _a.NormAfterPool ? Norm([pooled], "norm")[0] : pooled;
        return _a.ProjectionDim > 0 ? Linear(pooled, "projection", _a.ProjectionDim) : pooled;
    }

    private double[][] Patches(double[] image)
    {
        int side = _a.PatchSize, size = _a.ImageSize;
        return [.. Enumerable.Range(0, _a.Patches).Select(patch =>
        {
            int top = patch / _a.Grid * side, left = patch % _a.Grid * side;
            double[] pixels = [.. Enumerable.Range(0, _a.Channels * side * side).Select(i =>
                image[(i / (side * side) * size * size) + ((top + (i / side % side)) * size) + left + (i % side)])];
            return Linear(pixels, "patch_embed.proj", _a.EmbedDim);
        })];
    }

    private double[][] Place(double[][] patches)
    {
        double[][] first = [.. Token("cls_token"), .. Token("dist_token")], registers = [.. Token("reg_token")];
        return _a.Position switch
        {
            PositionEmbedding.AllTokens => Positioned([.. first, .. registers, .. patches]),
            PositionEmbedding.PatchesOnly => [.. first, .. registers, .. Positioned(patches)],
            PositionEmbedding.ClassAndPatches => Positioned([.. first, .. patches]) is double[][] all ? [.. all[..first.Length], .. registers, .. all[first.Length..]] : [],
            _ => [.. first, .. registers, .. patches],
        };
    }

    private double[][] Token(string name) => _weights.TryGetValue(name, out double[]? values) ? [.. values.Chunk(_a.EmbedDim)] : [];

    private double[][] Positioned(double[][] tokens) => [.. tokens.Zip(_weights["pos_embed"].Chunk(_a.EmbedDim), Sum)];

    private double[][] Attention(Merged stream, double[][] tokens, string prefix, BlockWidths widths, out double[][] keys, out double[]? attention)
    {
        int heads = widths[Axis.Heads], q = widths[Axis.QueryKeyDims], v = widths[Axis.ValueDims], stored = Math.Max(q, v), prefixTokens = _a.PrefixTokens;
        double[][] mixed = [.. tokens.Select(_ => new double[heads * v])];
        IReadOnlyList<int>? pairs = model.Weights.RotaryPairs?[int.Parse(prefix.Split('.')[1], System.Globalization.CultureInfo.InvariantCulture)];
        double[][] qkv = [.. tokens.Select(token => Linear(token, prefix + "attn.qkv", heads * 3 * stored))];
        keys = heads == 0 ? tokens : [.. qkv.Select(row => Enumerable.Range(0, heads).SelectMany(head => row.AsSpan(((head * 3) + 1) * stored, q).ToArray()).ToArray())];
        attention = heads == 0 || prefixTokens == 0 ? null : new double[tokens.Length];
        for (int head = 0; head < heads; head++)
        {
            double[][] Part(int part, int width) => [.. qkv.Select(row => row.AsSpan(((head * 3) + part) * stored, width).ToArray())];
            double[][] Turned(int part) => _a.Position == PositionEmbedding.Rotary
                ? [.. Part(part, q).Select((row, token) => token < prefixTokens ? row : Rotated(row, stream.Origins[token] - prefixTokens, pairs))]
                : Part(part, q);
            double[][] attended = Attend(Turned(0), Turned(1), Part(2, v), _a.HeadDim, stream.Sizes);
            if (attention is not null)
            {
                // The mix of unit vectors is the attention itself.
                double[][] unit = [.. tokens.Select((_, place) => tokens.Select((_, other) => place == other ? 1.0 : 0).ToArray())];
                double[] paid = Attend([Turned(0)[0]], Turned(1), unit, _a.HeadDim, stream.Sizes)[0];
                attention = [.. attention.Zip(paid, (sum, one) => sum + (one / heads))];
            }

            for (int token = 0; token < tokens.Length; token++)
            {
                attended[token].CopyTo(mixed[token], head * v);
            }
        }

        return [.. mixed.Select(row => Linear(row, prefix + "attn.proj", _a.EmbedDim))];
    }

    private static double[][] Attend(double[][] queries, double[][] keys, double[][] values, int scale, double[]? sizes = null) => [.. queries.Select(query =>
    {
        double[] logits = [.. keys.Select(key => Dot(query, key) / Math.Sqrt(scale))];
        double[] weights = [.. logits.Select((logit, key) => Math.Exp(logit - logits.Max()) * (sizes?[key] ?? 1))];
        return Enumerable.Range(0, values[0].Length).Select(i => values.Select((value, token) => value[i] * weights[token]).Sum() / weights.Sum()).ToArray();
    })];

    /// <summary>DINOv3's rotary positions: pairs (i, i + d/2) turned by an angle, the first half of the pairs by the row, the rest by the column.</summary>
    /// <param name="x">A query or key.</param>
    /// <param name="patch">Whose position it has.</param>
    /// <param name="pairs">The pairs of sorted dimensions, which are side by side; null where they lie as published.</param>
    private double[] Rotated(double[] x, int patch, IReadOnlyList<int>? pairs)
    {
        int half = _a.HeadDim / 2, quarter = half / 2;
        double[] turned = new double[x.Length];
        for (int place = 0; place < x.Length / 2; place++)
        {
            (int pair, int first, int second) = pairs is null ? (place, place, place + half) : (pairs[place], 2 * place, (2 * place) + 1);
            int index = pair < quarter ? patch / _a.Grid : patch % _a.Grid;
            double centre = ((index + 0.5) / _a.Grid * 2) - 1;
            double angle = 2 * Math.PI * centre / Math.Pow(_a.RotaryBase, pair % quarter / (double)quarter);
            turned[first] = (x[first] * Math.Cos(angle)) - (x[second] * Math.Sin(angle));
            turned[second] = (x[second] * Math.Cos(angle)) + (x[first] * Math.Sin(angle));
        }

        return turned;
    }

    private double[][] Mlp(double[][] tokens, string prefix, int neurons, MlpKind kind) => [.. tokens.Select(token =>
    {
        if (kind == MlpKind.SwiGlu)
        {
            double[] gate = Linear(token, prefix + "w1", neurons), values = Linear(token, prefix + "w2", neurons);
            return Linear([.. gate.Zip(values, (g, v) => g / (1 + Math.Exp(-g)) * v)], prefix + "w3", _a.EmbedDim);
        }

        return Linear([.. Linear(token, prefix + "fc1", neurons).Select(Activate)], prefix + "fc2", _a.EmbedDim);
    })];

    private double Activate(double x) => _a.Activation switch
    {
        Activation.GeluErf => x / 2 * (1 + Erf(x / Math.Sqrt(2))),
        Activation.GeluTanh => x / 2 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
        _ => x / (1 + Math.Exp(-1.702 * x)),
    };

    /// <summary>2/sqrt(pi) exp(-x^2) sum of 2^n x^(2n+1) / (1 3 5 .. (2n+1)): all terms have one sign.</summary>
    private static double Erf(double x)
    {
        double term = x, sum = x;
        for (int n = 1; Math.Abs(term) > 1e-18 * Math.Abs(sum); n++)
        {
            term *= 2 * x * x / ((2 * n) + 1);
            sum += term;
        }

        return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
    }

    private double[] AttentionPool(double[][] tokens)
    {
        int d = _a.EmbedDim / _a.Heads;
        double[] query = Linear(_weights["attn_pool.latent"], "attn_pool.q", _a.EmbedDim);
        double[][] kv = [.. tokens.Select(token => Linear(token, "attn_pool.kv", 2 * _a.EmbedDim))];
        double[] mixed = [.. Enumerable.Range(0, _a.Heads).SelectMany(head => Attend(
            [query[(head * d)..((head + 1) * d)]],
            [.. kv.Select(row => row[(head * d)..((head + 1) * d)])],
            [.. kv.Select(row => row[(_a.EmbedDim + (head * d))..(_a.EmbedDim + ((head + 1) * d))])],
            d)[0])];
        double[] x = Linear(mixed, "attn_pool.proj", _a.EmbedDim);
        return Sum(x, Mlp(Norm([x], "attn_pool.norm"), "attn_pool.mlp.", _a.MlpDim, MlpKind.Standard)[0]);
    }

    private double[] Linear(double[] x, string name, int outputs)
    {
        double[] weight = _weights[name + ".weight"], bias = _weights.GetValueOrDefault(name + ".bias", new double[outputs]);
        return [.. Enumerable.Range(0, outputs).Select(row => Dot(weight.AsSpan(row * x.Length, x.Length), x) + bias[row])];
    }

    private double[][] Norm(double[][] tokens, string name) => [.. tokens.Select(token =>
    {
        double mean = token.Average(), deviation = Math.Sqrt(token.Average(value => (value - mean) * (value - mean)) + _a.LayerNormEpsilon);
        return token.Select((value, i) => ((value - mean) / deviation * _weights[name + ".weight"][i]) + _weights[name + ".bias"][i]).ToArray();
    })];

    private double[][] Add(double[][] tokens, double[][] branch, string layerScale) => [.. tokens.Zip(branch, (token, added) =>
        Sum(token, _weights.TryGetValue(layerScale, out double[]? scale) ? [.. added.Zip(scale, (value, factor) => value * factor)] : added))];

    private static double[] Mean(double[][] tokens) => [.. Enumerable.Range(0, tokens[0].Length).Select(i => tokens.Average(token => token[i]))];

    private static double[] Sum(double[] x, double[] y) => [.. x.Zip(y, (a, b) => a + b)];

    private static double Dot(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        double sum = 0;
        for (int i = 0; i < x.Length; i++)
        {
            sum += x[i] * y[i];
        }

        return sum;
    }

    private static double[] Values(Tensor tensor)
    {
        using Tensor flat = tensor.contiguous();
        return [.. flat.data<float>().Select(value => (double)value)];
    }
}
