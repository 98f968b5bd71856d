using SnapViT.Core.Randomness;

namespace SnapViT.Fuzz;

/// <summary>
/// Instructions of chance that know what is on the stack, so that most of them do something, and programs that repeat a few of them very
/// often on large values that the memo holds.
/// </summary>
internal sealed class PickleProgram
{
    private const int MostRepeated = 1 << 21;

    private static readonly (string Module, string Name)[] Names =
    [
        ("collections", "OrderedDict"), ("argparse", "Namespace"), ("builtins", "set"), ("builtins", "frozenset"), ("builtins", "bytes"),
        ("builtins", "bytearray"), ("builtins", "getattr"), ("_codecs", "encode"), ("torch", "Size"), ("torch", "device"),
        ("torch._utils", "_rebuild_tensor"), ("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor_v3"),
        ("torch._utils", "_rebuild_parameter"), ("torch._tensor", "_rebuild_from_type_v2"), ("torch.storage", "UntypedStorage"),
        ("torch", "FloatStorage"), ("torch", "float32"), ("torch", "BFloat16Storage"), ("src.models.enums", "ModelType"),
        ("numpy.core.multiarray", "scalar"), ("pathlib", "PosixPath"), ("my.own", "Class"), ("__torch__.m", "Module"), ("", ""),
        ("os", "system"), ("builtins", "eval"), ("builtins", "print"), ("collections", "defaultdict"), ("copyreg", "_reconstructor"),
    ];

    private readonly SeededRandom _random;
    private readonly PickleBuilder _pickle;
    private readonly List<Kind> _stack = [];
    private readonly Dictionary<uint, Kind> _memo = [];

    private PickleProgram(SeededRandom random) => (_random, _pickle) = (random, new PickleBuilder(random));

    private enum Kind
    {
        Mark,
        Other,
        Text,
        Tuple,
        List,
        Dictionary,
        Global,
        Object,
    }

    /// <summary>A few hundred instructions of chance.</summary>
    public static byte[] Instructions(SeededRandom random)
    {
        PickleProgram program = new(random);
        for (int i = random.NextInt(300); i >= 0; i--)
        {
            program.Step();
        }

        program._pickle.Op(program.Join()).Op(".");
        return program._pickle.Content;
    }

    /// <summary>Large values in the memo, and a few instructions on them that are repeated up to the limit of instructions.</summary>
    public static byte[] Repeated(SeededRandom random)
    {
        PickleProgram program = new(random);
        program.FillMemo();
        int begin = program._pickle.Length, steps = 1 + random.NextInt(8);
        for (int i = 0; i < steps; i++)
        {
            program.Step();
        }

        byte[] all = program._pickle.Content;
        int times = Power(random, 21) % (MostRepeated / steps);
        PickleBuilder repeated = new PickleBuilder(random).Op(all.AsSpan(0, begin)).Op("(");
        for (int i = 0; i < times && repeated.Length < 28 << 20; i++)
        {
            repeated.Op(all.AsSpan(begin));
        }

        return repeated.Op(random.NextInt(4) == 0 ? "1N." : "t.").Content;
    }

    /// <summary>A number up to a power of two, of every order of magnitude alike.</summary>
    private static int Power(SeededRandom random, int mostBits)
    {
        int bits = random.NextInt(mostBits + 1);
        return (1 << bits) - (bits == 0 ? 0 : random.NextInt(1 << (bits - 1)));
    }

    /// <summary>Leaves one value for all that the stack holds.</summary>
    private string Join()
    {
        string join = string.Concat(_stack.Where(kind => kind == Kind.Mark).Select(_ => "t"));
        int values = _stack.IndexOf(Kind.Mark) is int first and >= 0 ? first + 1 : _stack.Count;
        return values switch
        {
            0 => join + "N",
            1 => join,
            _ => join + string.Concat(Enumerable.Repeat("\u0086", values - 1)),
        };
    }

    private void FillMemo()
    {
        Remember(Kind.Text, () => _pickle.Op("X").Op(BitConverter.GetBytes(Length(22, out int length))).Op(Fill(length)));
        Remember(Kind.Tuple, () => Repeat("(", "K\u0001", Length(19, out _), "t"));
        Remember(Kind.Tuple, () => Repeat("(", "h\u0001", Length(19, out _), "t"));
        Remember(Kind.List, () => Repeat("](U\u0001kN\u0086q\u0020", "h\u0020", Length(19, out _), "e"));
        Remember(Kind.Dictionary, () =>
        {
            _pickle.Op("}(");
            for (int i = Math.Min(Length(19, out _), 1 << 18); i > 0; i--)
            {
                _pickle.Op("J").Op(BitConverter.GetBytes(i)).Op("N");
            }

            _pickle.Op("u");
        });
        Remember(Kind.Object, () => _pickle.Op("cmy.own\nClass\n)\u0081h\u0004b"));
        Remember(Kind.Object, () => _pickle.Op("c__torch__\nClass\n)\u0081h\u0004b"));
        Remember(Kind.Object, () => _pickle.Op(
            "cmy.own\nModule\n)\u0081}(X\u000b\0\0\0_parametersh\u0004X\u0008\0\0\0_buffersh\u0004X\u0008\0\0\0_modulesh\u0004ub"));
        Remember(Kind.Dictionary, () => _pickle.Op("ccollections\nOrderedDict\n)R"));
        Remember(Kind.Other, () => _pickle.Op("(X\u0007\0\0\0storagectorch\nFloatStorage\nX\u0001\0\0\00X\u0003\0\0\0cpuK\u0006tQ"));
        Remember(Kind.Tuple, () =>
        {
            int rank = _random.NextInt(64);
            _pickle.Op("(h\u0009K\0");
            Repeat("(", "K\u0001", rank, "t");
            Repeat("(", "K\u0001", rank, "t");
            _pickle.Op("\u0089h\u0008t");
        });
        Remember(Kind.Global, () => _pickle.Op("ctorch._utils\n_rebuild_tensor_v2\n"));
        Remember(Kind.Other, () => _pickle.Op("h\u000bh\u000aR"));
        Remember(Kind.Tuple, () => Repeat(")", "\u0085", Length(12, out _), ""));
        Remember(Kind.Tuple, () => Repeat(")", "q\u0021h\u0021\u0086", Length(6, out _), ""));
        for (int i = 0; i < 4; i++)
        {
            (string module, string name) = Names[_random.NextInt(Names.Length - 5)];
            Remember(Kind.Global, () => _pickle.Op($"c{module}\n{name}\n"));
        }
    }

    private int Length(int bits, out int length) => length = Power(_random, bits);

    private byte[] Fill(int length)
    {
        byte[] text = new byte[length];
        Array.Fill(text, (byte)"a.0_"[_random.NextInt(4)]);
        return text;
    }

    private void Repeat(string before, string one, int times, string after)
    {
        _pickle.Op(before);
        for (int i = 0; i < times; i++)
        {
            _pickle.Op(one);
        }

        _pickle.Op(after);
    }

    /// <summary>Writes a value and keeps it in the memo's next place only.</summary>
    private void Remember(Kind kind, Action write)
    {
        write();
        _pickle.Op([(byte)'q', (byte)_memo.Count]).Op("0");
        _memo[(uint)_memo.Count] = kind;
    }

    /// <summary>One instruction, which mostly fits what is on the stack.</summary>
    private void Step()
    {
        int values = _stack.Count - 1 - _stack.LastIndexOf(Kind.Mark);
        Kind top = values > 0 ? _stack[^1] : Kind.Mark, below = values > 1 ? _stack[^2] : Kind.Mark;
        bool isMarked = _stack.Contains(Kind.Mark);
        bool isCarefree = _random.NextInt(200) == 0;
        switch (_random.NextInt(26))
        {
            case 0: Push(Kind.Other, "N"); break;
            case 1: Push(Kind.Other, $"K{(char)_random.NextInt(9)}"); break;
            case 2: Push(Kind.Tuple, ")"); break;
            case 3: Push(Kind.List, _random.NextInt(2) == 0 ? "]" : "\u008f"); break;
            case 4: Push(Kind.Dictionary, "}"); break;
            case 5: Push(Kind.Mark, "("); break;
            case 6 or 7 when isMarked:
                Unwind();
                Push(Kind.Tuple, _random.NextInt(4) == 0 ? "\u0091" : "t");
                break;
            case 8 when values >= 1: Replace(1, Kind.Tuple, "\u0085"); break;
            case 9 when values >= 2: Replace(2, Kind.Tuple, "\u0086"); break;
            case 10 when values >= 3: Replace(3, Kind.Tuple, "\u0087"); break;
            case 11 when (values >= 2 && below is Kind.List or Kind.Object) || isCarefree: Replace(1, null, "a"); break;
            case 12 when (values >= 3 && _stack[^3] is Kind.Dictionary or Kind.Object) || isCarefree: Replace(2, null, "s"); break;
            case 13 when (values >= 2 && below is Kind.Object or Kind.Dictionary) || isCarefree: Replace(1, null, "b"); break;
            case 14 or 15 or 16 when (values >= 2 && top == Kind.Tuple && below is Kind.Global or Kind.Object) || isCarefree:
                Replace(2, Kind.Object, _random.NextInt(3) == 0 ? "\u0081" : "R");
                break;
            case 17 when (values >= 2 && top == Kind.Text && below == Kind.Text) || isCarefree: Replace(2, Kind.Global, "\u0093"); break;
            case 18 when values >= 1: Replace(1, null, "0"); break;
            case 19 when isMarked && _stack.LastIndexOf(Kind.Mark) is var mark:
                Kind target = mark > 0 ? _stack[mark - 1] : Kind.Other;
                Unwind();
                _pickle.Op(target is Kind.Dictionary ? "u" : target is Kind.List or Kind.Object ? "e" : "1");
                break;
            case 20 when values >= 1 && top == Kind.Tuple && (_random.NextInt(8) == 0 || isCarefree): Replace(1, Kind.Other, "Q"); break;
            case 21:
                (string module, string name) = Names[_random.NextInt(Names.Length)];
                Push(Kind.Global, $"c{module}\n{name}\n");
                break;
            case 22: Push(Kind.Text, _random.NextInt(2) == 0 ? "U\u0007storage" : "U\u0006latin1"); break;
            case 23 when values >= 1:
                byte place = (byte)_random.NextInt(40);
                _pickle.Op([(byte)'q', place]);
                _memo[place] = top;
                break;
            default:
                if (_memo.Count > 0)
                {
                    (uint at, Kind kind) = _memo.ElementAt(_random.NextInt(_memo.Count));
                    Push(kind, $"h{(char)at}");
                }

                break;
        }
    }

    private void Push(Kind kind, string instruction)
    {
        _pickle.Op(instruction);
        _stack.Add(kind);
    }

    private void Replace(int count, Kind? by, string instruction)
    {
        _pickle.Op(instruction);
        _stack.RemoveRange(_stack.Count - Math.Min(count, _stack.Count), Math.Min(count, _stack.Count));
        if (by is Kind kind)
        {
            _stack.Add(kind);
        }
    }

    private void Unwind()
    {
        int mark = _stack.LastIndexOf(Kind.Mark);
        _stack.RemoveRange(mark, _stack.Count - mark);
    }
}
