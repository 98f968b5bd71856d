using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Numerics;
using SnapViT.Core.Randomness;

namespace SnapViT.Fuzz;

/// <summary>
/// A PyTorch file whose pickle is made from a grammar: the model's tensors as views of storages in all the ways that Python can say it,
/// strangers beside them, and sometimes a view that is no view. What every tensor must hold is worked out here from the storages' bytes.
/// </summary>
internal sealed class PickledModel
{
    private static readonly string[] Wrappers = ["state_dict", "model", "net", "student", "module"];

    private readonly SeededRandom _random;
    private readonly PickleBuilder _pickle;
    private readonly Dictionary<string, byte[]> _storages = [];
    private readonly Dictionary<string, float[]?> _expected = [];
    private readonly int _oddRate;
    private readonly int _types;
    private int _strangers;

    private PickledModel(SeededRandom random)
    {
        _random = random;
        _pickle = new PickleBuilder(random) { NoiseRate = random.NextInt(3) * 40 };
        _types = random.NextInt(3) == 0 ? 1 : random.NextInt(8) == 0 ? ElementType.All.Length : ElementType.Floats;
        _oddRate = random.NextInt(2) == 0 ? 0 : 20 + random.NextInt(200);
    }

    /// <summary>Makes a file.</summary>
    public static FuzzInput Create(SeededRandom random)
    {
        PickledModel model = new(random);
        model.Write();
        byte[] pickle = model._pickle.Content;
        bool isChanged = random.NextInt(5) == 0;
        if (isChanged)
        {
            pickle = Changed(pickle, random);
        }

        (string, byte[])[] storages = [.. model._storages.Select(storage => (storage.Key, storage.Value))];
        return new FuzzInput(
            isChanged ? "pickle of a grammar, changed" : "pickle of a grammar",
            [("model.pt", Archive(pickle, storages, random.NextInt(6) == 0))],
            isChanged ? null : model._expected);
    }

    /// <summary>A PyTorch file of a pickle and storages.</summary>
    public static byte[] Archive(byte[] pickle, IEnumerable<(string Key, byte[] Content)> storages, bool isDeflated)
    {
        using MemoryStream stream = new();
        using (ZipArchive zip = new(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach ((string name, byte[] content) in storages.Select(storage => ($"a/data/{storage.Key}", storage.Content))
                .Prepend(("a/data.pkl", pickle)).Append(("a/version", "3\n"u8.ToArray())))
            {
                using Stream entry = zip.CreateEntry(name, isDeflated ? CompressionLevel.Fastest : CompressionLevel.NoCompression).Open();
                entry.Write(content);
            }
        }

        return stream.ToArray();
    }

    /// <summary>One instruction put in, taken out or replaced.</summary>
    private static byte[] Changed(byte[] pickle, SeededRandom random)
    {
        List<byte> bytes = [.. pickle];
        for (int i = 1 + random.NextInt(3); i > 0; i--)
        {
            int at = random.NextInt(bytes.Count);
            byte instruction = (byte)"N()]}tase0bRQ\u0081\u0085\u0086\u0087\u0088\u0093\u0094h\0q\u0001K\u0005"[random.NextInt(26)];
            switch (random.NextInt(3))
            {
                case 0: bytes.Insert(at, instruction); break;
                case 1: bytes.RemoveAt(at); break;
                default: bytes[at] = instruction; break;
            }
        }

        return [.. bytes];
    }

    private void Write()
    {
        _pickle.Op([0x80, (byte)(2 + _random.NextInt(4))]);
        int depth = _random.NextInt(3);
        Nested(depth);
        _pickle.Op(".");
    }

    /// <summary>The model, or a dictionary that has it beside strangers.</summary>
    private void Nested(int depth)
    {
        if (depth == 0)
        {
            Model();
            return;
        }

        List<(string Key, Action Value)> items = [(Wrappers[_random.NextInt(Wrappers.Length)], () => Nested(depth - 1))];
        for (int i = _random.NextInt(4); i > 0; i--)
        {
            items.Insert(_random.NextInt(items.Count + 1), ($"beside{_strangers++}", () => Stranger(0)));
        }

        Dictionary(items);
    }

    private void Model()
    {
        (string Name, IReadOnlyList<long> Shape)[] tensors = [.. FuzzInput.Shapes];
        if (_random.NextInt(3) == 0)
        {
            _random.Shuffle(tensors.AsSpan());
        }

        List<(string, Action)> items = [.. tensors.Select(tensor => (tensor.Name, (Action)(() => Tensor(tensor.Name, tensor.Shape))))];
        if (_random.NextInt(5) > 0)
        {
            Dictionary(items);
            return;
        }

        // A whole pickled module: an object of an unknown class with the dictionaries of torch.nn.Module as its state.
        _pickle.Global("my.models", "ViT").Op(")\u0081");
        int buffers = _random.NextInt(items.Count);
        Dictionary(
        [
            ("training", () => _pickle.Op("\u0089")),
            ("_parameters", () => Dictionary(items[buffers..])),
            ("_buffers", () => Dictionary(items[..buffers])),
            ("_modules", () => Dictionary([])),
        ]);
        _pickle.Op("b");
    }

    private void Dictionary(List<(string Key, Action Value)> items)
    {
        int kind = _random.NextInt(5);
        if (kind == 0)
        {
            _pickle.Global("collections", "OrderedDict").Tuple(() => List([.. items.Select(item => (Action)(() => Pair(item)))])).Op("R");
            return;
        }

        _ = kind switch
        {
            1 => _pickle.Global("collections", "OrderedDict").Op(")R"),
            2 => _pickle.Global("argparse", "Namespace").Op(")\u0081"),
            _ => _pickle.Op("}"),
        };
        if (kind == 2)
        {
            Dictionary(items);
            _pickle.Op("b");
            return;
        }

        bool isOpen = false;
        foreach ((string key, Action value) in items)
        {
            if (!isOpen && _random.NextInt(4) > 0)
            {
                _pickle.Op("(");
                isOpen = true;
            }

            _pickle.Text(key);
            value();
            if (!isOpen || _random.NextInt(6) == 0)
            {
                _pickle.Op(isOpen ? "u" : "s");
                isOpen = false;
            }
        }

        _pickle.Op(isOpen ? "u" : "");
        if (kind == 1 && _random.NextInt(2) == 0)
        {
            _pickle.Op("}").Text("_metadata").Op("Nsb");
        }
    }

    private void Pair((string Key, Action Value) item)
    {
        if (_random.NextInt(2) == 0)
        {
            _pickle.Tuple(() => _pickle.Text(item.Key), item.Value);
        }
        else
        {
            List([() => _pickle.Text(item.Key), item.Value]);
        }
    }

    private void List(Action[] items)
    {
        _pickle.Op("](");
        foreach (Action item in items)
        {
            item();
        }

        _pickle.Op("e");
    }

    private void Tensor(string name, IReadOnlyList<long> shape)
    {
        View view = MakeView(shape);
        _expected[name] = view.Values;
        int form = _random.NextInt(8);
        if (form == 0)
        {
            _pickle.Global("torch._utils", "_rebuild_parameter").Tuple(() => Rebuilt(view), () => _pickle.Op("\u0089"), Hooks).Op("R");
        }
        else if (form == 1 && !view.IsUntyped)
        {
            _pickle.Global("torch._tensor", "_rebuild_from_type_v2").Tuple(
                () => _pickle.Global("torch._utils", "_rebuild_tensor_v2"),
                () => _pickle.Global("torch", "Tensor"),
                () => Arguments(view, dtype: false),
                () => _pickle.Op("}")).Op("R");
        }
        else
        {
            Rebuilt(view);
        }
    }

    private void Hooks() => _pickle.Global("collections", "OrderedDict").Op(")R");

    private void Rebuilt(View view)
    {
        bool isUntyped = view.IsUntyped;
        _pickle.Global("torch._utils", isUntyped ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2");
        Arguments(view, isUntyped);
        _pickle.Op("R");
    }

    private void Arguments(View view, bool dtype)
    {
        Action[] items =
        [
            () => Storage(view),
            () => _pickle.Int(view.Offset),
            () => _pickle.Sizes(view.Shape),
            () => _pickle.Sizes(view.Strides),
            () => _pickle.Op(_random.NextInt(2) == 0 ? "\u0088" : "\u0089"),
            Hooks,
        ];
        _pickle.Tuple(dtype ? [.. items, () => _pickle.Global("torch", view.Type.Name)] : items);
    }

    private void Storage(View view)
    {
        string type = view.IsUntyped ? "UntypedStorage" : view.Type.Storage;
        _pickle.Value($"storage {view.Key} {type} {view.Elements} {view.Reference}", () =>
        {
            Action[] items =
            [
                () => _pickle.Text("storage"),
                () => _pickle.Global(view.IsUntyped ? "torch.storage" : "torch", type),
                () => _pickle.Text(view.Key),
                () => _pickle.Text("cpu"),
                () => _pickle.Int(view.Elements),
            ];
            _pickle.Tuple(view.Reference switch
            {
                1 => items[..4],
                2 => [.. items, () => _pickle.Op("N")],
                3 => [() => _pickle.Text("module"), .. items[1..]],
                4 => [items[0], () => _pickle.Global("torch", "QInt8Storage"), .. items[2..]],
                5 => [items[0], items[1], () => _pickle.Int(0), .. items[3..]],
                6 => [items[0], items[1], () => _pickle.Text("../data.pkl"), .. items[3..]],
                7 => [items[0], items[1], () => _pickle.Text("nowhere"), .. items[3..]],
                _ => items,
            }).Op("Q");
        });
    }

    /// <summary>Chooses how a tensor lies in a storage, and fills the storage.</summary>
    private View MakeView(IReadOnlyList<long> shape)
    {
        ElementType type = ElementType.All[_random.NextInt(_types)];
        int count = (int)shape.Aggregate(1L, (product, size) => product * size);
        int before = _random.NextInt(3) == 0 ? _random.NextInt(9) : 0, after = _random.NextInt(3) == 0 ? _random.NextInt(9) : 0;

        // The dimensions in the order in which they lie in memory, with gaps between their rows.
        int[] order = [.. Enumerable.Range(0, shape.Count)];
        if (_random.NextInt(4) == 0)
        {
            _random.Shuffle(order.AsSpan());
        }

        BigInteger[] strides = new BigInteger[shape.Count];
        BigInteger span = 1;
        int gap = _random.NextInt(6) == 0 ? 1 + _random.NextInt(3) : 0;
        foreach (int dimension in order.Reverse())
        {
            strides[dimension] = span;
            span *= shape[dimension];
            span += gap;
        }

        byte[] content = new byte[(before + (int)span + after) * type.Size];
        float[] elements = new float[content.Length / type.Size];
        for (int i = 0; i < elements.Length; i++)
        {
            elements[i] = _random.NextInt(201) - 100;
            type.Write(content.AsSpan(i * type.Size), (int)elements[i]);
        }

        string key = _storages.Count.ToString(CultureInfo.InvariantCulture);
        _storages.Add(key, content);
        bool isUntyped = type.Storage.Length == 0 || _random.NextInt(10) == 0;
        View view = new(
            key, type, isUntyped, isUntyped ? content.Length : elements.Length, before, [.. shape.Select(size => (BigInteger)size)],
            strides, Reference: 0, Gather(elements, before, shape, strides, count));
        return _oddRate > 0 && _random.NextInt(_oddRate) == 0 ? Odd(view, shape, span + after) : view;
    }

    /// <summary>A view that must not open: it reaches beyond its storage, uses an element twice, or refers to no storage.</summary>
    private View Odd(View view, IReadOnlyList<long> shape, BigInteger room)
    {
        BigInteger[] huge = [-1, 1L << 31, 1L << 62, long.MaxValue, BigInteger.Pow(2, 64), long.MinValue];
        BigInteger some = huge[_random.NextInt(huge.Length)];
        int longest = shape.Index().MaxBy(size => size.Item).Index;
        View odd = _random.NextInt(9) switch
        {
            0 => view with { Offset = view.Offset + room },
            1 => view with { Offset = some },
            2 => view with { Strides = [.. view.Strides.Index().Select(stride => stride.Index == longest ? some : stride.Item)] },
            3 => view with { Strides = [.. view.Strides.Index().Select(stride => stride.Index == longest ? 0 : stride.Item)] },
            4 => view with { Shape = [.. view.Shape.Index().Select(size => size.Index == longest ? some : size.Item)] },
            5 => view with { Elements = view.Elements + 1 },
            6 => view with { Elements = some },
            7 => view with
            {
                Shape = [.. view.Shape, .. Enumerable.Repeat(BigInteger.One, 70)],
                Strides = [.. view.Strides, .. Enumerable.Repeat(BigInteger.One, 70)],
            },
            _ => view with { Reference = 1 + _random.NextInt(7) },
        };
        return odd with { Values = null };
    }

    private static float[] Gather(float[] elements, int begin, IReadOnlyList<long> shape, BigInteger[] strides, int count)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            long at = begin;
            int rest = i;
            for (int dimension = shape.Count - 1; dimension >= 0; dimension--)
            {
                at += rest % shape[dimension] * (long)strides[dimension];
                rest /= (int)shape[dimension];
            }

            values[i] = elements[at];
        }

        return values;
    }

    /// <summary>A value of any kind that is no tensor.</summary>
    private void Stranger(int depth)
    {
        switch (_random.NextInt(depth > 5 ? 8 : 15))
        {
            case 0: _pickle.Op("N"); break;
            case 1: _pickle.Op("\u0088"); break;
            case 2: _pickle.Int((BigInteger)_random.NextBits() << _random.NextInt(90)); break;
            case 3: _pickle.Float(_random.NextNormal()); break;
            case 4: _pickle.Text($"text {_random.NextInt(4)}"); break;
            case 5: _pickle.Op("C\u0003abc"); break;
            case 6: _pickle.Global(_random.NextInt(2) == 0 ? "torch" : "numpy", _random.NextInt(2) == 0 ? "float16" : "dtype"); break;
            case 7: _pickle.Global("torch", "device").Tuple(() => _pickle.Text("cuda"), () => _pickle.Int(0)).Op("R"); break;
            case 8: List([.. Several(depth)]); break;
            case 9: _pickle.Tuple([.. Several(depth)]); break;
            case 10: Dictionary([.. Several(depth).Index().Select(item => ($"key {item.Index}", item.Item))]); break;
            case 11: _pickle.Global("pathlib", "PosixPath").Tuple([.. Several(depth)]).Op("R"); break;
            case 12:
                _pickle.Global("numpy.core.multiarray", "scalar").Tuple([.. Several(depth)]).Op("\u0081");
                Stranger(depth + 1);
                _pickle.Op("b");
                break;
            case 13:
                _pickle.Global("copyreg", "_reconstructor").Tuple([.. Several(depth)]).Op("R}").Text("state");
                Stranger(depth + 1);
                _pickle.Op("sb");
                break;
            default: _pickle.Global("builtins", "set").Tuple(() => List([.. Several(depth)])).Op("R"); break;
        }
    }

    private Action[] Several(int depth) => [.. Enumerable.Range(0, _random.NextInt(4)).Select(_ => (Action)(() => Stranger(depth + 1)))];

    /// <summary>A tensor as the pickle describes it.</summary>
    /// <param name="Key">The storage.</param>
    /// <param name="Type">Type of the elements.</param>
    /// <param name="IsUntyped">Whether the storage is one of bytes.</param>
    /// <param name="Elements">How many elements the reference to the storage claims.</param>
    /// <param name="Offset">The first element.</param>
    /// <param name="Shape">Size of every dimension.</param>
    /// <param name="Strides">Elements from one index to the next.</param>
    /// <param name="Reference">Which odd shape the reference to the storage has; 0 for none.</param>
    /// <param name="Values">What it holds; null where it must not open.</param>
    private sealed record View(
        string Key,
        ElementType Type,
        bool IsUntyped,
        BigInteger Elements,
        BigInteger Offset,
        BigInteger[] Shape,
        BigInteger[] Strides,
        int Reference,
        float[]? Values);

    /// <summary>A type of elements that holds the integers from -100 to 100 exactly.</summary>
    /// <param name="Name">The name of the dtype.</param>
    /// <param name="Storage">The class of its storages; empty where there is none.</param>
    /// <param name="Size">Bytes of an element.</param>
    private sealed record ElementType(string Name, string Storage, int Size)
    {
        /// <summary>How many of them are floats, which stand first.</summary>
        public const int Floats = 4;

        public static ElementType[] All { get; } =
        [
            new("float32", "FloatStorage", 4), new("float16", "HalfStorage", 2), new("bfloat16", "BFloat16Storage", 2),
            new("float64", "DoubleStorage", 8), new("int64", "LongStorage", 8), new("int8", "CharStorage", 1),
        ];

        public void Write(Span<byte> target, int value)
        {
            switch (Name)
            {
                case "float32": BinaryPrimitives.WriteSingleLittleEndian(target, value); break;
                case "float16": BinaryPrimitives.WriteHalfLittleEndian(target, (Half)value); break;
                case "bfloat16":
                    BinaryPrimitives.WriteInt16LittleEndian(target, (short)(BitConverter.SingleToInt32Bits(value) >> 16));
                    break;
                case "float64": BinaryPrimitives.WriteDoubleLittleEndian(target, value); break;
                case "int64": BinaryPrimitives.WriteInt64LittleEndian(target, value); break;
                default: target[0] = (byte)(sbyte)value; break;
            }
        }
    }
}
