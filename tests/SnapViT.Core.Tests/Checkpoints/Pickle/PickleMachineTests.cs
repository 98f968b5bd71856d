using System.Numerics;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Checkpoints.Pickle;
using SnapViT.Core.Checkpoints.Zip;
using static SnapViT.Core.Tests.Checkpoints.Pickle.PickleBytes;

namespace SnapViT.Core.Tests.Checkpoints.Pickle;

public sealed class PickleMachineTests
{
    private const string Refusal = "it is not among the names a checkpoint may hold; nothing was run";

    /// <summary>Pickles of single values and what they stand for; made with the instruction list of CPython's pickletools.</summary>
    public static TheoryData<byte[], object?> Values => new()
    {
        { Of("\u0080\u0002N."), null },
        { Of("\u0088."), true },
        { Of("\u0089."), false },
        { Of("K\u00ff."), 255L },
        { Of("M\u0001\u0002."), 0x0201L },
        { Of("J\u00fe\u00ff\u00ff\u00ff."), -2L },
        { Of("\u008a\u0000."), 0L },
        { Of("\u008a\u0008\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u007f."), long.MaxValue },
        { Of("\u008a\u0009\0\0\0\0\0\0\0\0\u0001."), BigInteger.One << 64 },
        { Of("G\u003f\u00f8\0\0\0\0\0\0."), 1.5 },
        { Of(Text("ä\U0001F600"), "."), "ä\U0001F600" },
        { Of("\u008c\u0002xy."), "xy" },
        { Of("\u008d\u0002\0\0\0\0\0\0\0xy."), "xy" },
        { Of("U\u0002xy."), "xy" },
        { Of("\u0080\u0004\u0095\u0003\0\0\0\0\0\0\0N\u0094."), null },
        { Of(Global("torch", "float32"), "."), "torch.float32" },
        { Of(Global("torch", "device"), Text("cuda"), Int(1), "\u0086R."), "cuda:1" },
        { Of(Global("torch", "device"), Text("cpu"), "\u0085R."), "cpu" },
        { Of("\u008c\u0010src.models.enums\u008c\u0009ModelType\u0093", Text("x"), "\u0085R."), new TorchEnumMember("src.models.enums", "ModelType", "x") },
        { Of(Global("src.models.enums", "Kind"), Int(3), "\u0085R."), new TorchEnumMember("src.models.enums", "Kind", 3L) },
        { Of(Global("__builtin__", "getattr"), Global("src.models.enums", "Kind"), Text("BIG"), "\u0086R."), new TorchEnumMember("src.models.enums", "Kind", "BIG", IsName: true) },
    };

    /// <summary>Sequences of every kind that hold 1, 2.</summary>
    public static TheoryData<byte[]> Sequences =>
    [
        Of("](K\u0001K\u0002e."),
        Of("]K\u0001aK\u0002a."),
        Of("(K\u0001K\u0002t."),
        Of("K\u0001K\u0002\u0086."),
        Of("\u008f(K\u0001K\u0002\u0090."),
        Of("(K\u0001K\u0002\u0091."),
        Of(Global("__builtin__", "set"), "](K\u0001K\u0002e\u0085R."),
        Of(Global("builtins", "frozenset"), "](K\u0001K\u0002e\u0085R."),
        Of(Global("torch", "Size"), "K\u0001K\u0002\u0086\u0085R."),
    ];

    public static TheoryData<byte[]> Dictionaries =>
    [
        Of("}(", Text("a"), "K\u0001", Text("b"), "Nu."),
        Of("}", Text("a"), "K\u0001s", Text("b"), "Ns."),
        Of(Global("collections", "OrderedDict"), ")R(", Text("a"), "K\u0001", Text("b"), "Nu}", Text("_metadata"), "}sb."),
        Of(Global("collections", "OrderedDict"), ")\u0081(", Text("a"), "K\u0001", Text("b"), "Nu."),
        Of(Global("argparse", "Namespace"), ")\u0081}(", Text("a"), "K\u0001", Text("b"), "Nub."),
        Of("}q\0r\u0001\0\0\0\u0094", Text("a"), "K\u0001s", Text("b"), "Ns."),
    ];

    public static TheoryData<string, byte[]> Refused => new()
    {
        { "refused the global 'posix.system'", Of(Global("posix", "system"), Text("echo"), "\u0085R.") },
        { "refused the global 'os.system'", Of("\u0080\u0004\u008c\u0002os\u008c\u0006system\u0093", Text("echo"), "\u0085R.") },
        { "refused the global '__builtin__.eval'", Of(Global("__builtin__", "eval"), Text("1"), "\u0085R.") },
        { "refused the global 'torch.load'", Of(Global("torch", "load"), ".") },
        { "refused the global 'src.models.enums.os.system'", Of(Global("src.models.enums", "os.system"), Text("x"), "\u0085R.") },
        { "refused the instruction 0x69", Of("(", Text("echo"), "ios\nsystem\n.") },
        { "refused the instruction 0x53", Of("(S'echo'\nt.") },
        { "refused the instruction 0x82", Of("\u0082\u0001.") },
        { "refused the instruction 0x50", Of("P1\n.") },
        { "refused 'system' of 'torch.float32'", Of(Global("__builtin__", "getattr"), Global("torch", "float32"), Text("system"), "\u0086R.") },
        { "refused '__class__' of 'src.models.enums.Kind'", Of(Global("__builtin__", "getattr"), Global("src.models.enums", "Kind"), Text("__class__"), "\u0086R.") },
        { "refused the global 'runpy._run_code'", Of(Global("runpy", "_run_code"), ".") },
        { "refused the global 'torch.serialization.os.system'", Of(Global("torch.serialization", "os.system"), ".") },
        { "refused 'torch._utils._rebuild_tensor_v9': a tensor of the file is made by it", Of(Global("torch._utils", "_rebuild_tensor_v9"), Tuple(Tuple(Storage("0", 6)), Int(0)), "R.") },
        { "refused 'my.Wrapper': a tensor of the file is made by it", Of(Global("my", "Wrapper"), Tensor(Storage("0", 6), 0, [6], [1]), "\u0085\u0081.") },
        { "refused 'my.Wrapper': a tensor of the file is made by it", Of(Global("my", "Wrapper"), ")}", Text("data"), Tensor(Storage("0", 6), 0, [6], [1]), "s\u0092.") },
        { "refused a call of 'argparse.Namespace'", Of(Global("argparse", "Namespace"), ")R.") },
        { "expected a global on the stack", Of("N)R.") },
        { "expected a tuple on the stack", Of(Global("torch", "Size"), "NR.") },
        { "refused an object of 'torch.Size' from 0 arguments", Of(Global("torch", "Size"), ")\u0081.") },
        { "refused a state for a dict", Of("}}b.") },
        { "expected a dict on the stack, found an int", Of("K\u0001}b.") },
        { "refused a state for 'argparse.Namespace'", Of(Global("argparse", "Namespace"), ")\u0081(K\u0001tb.") },
        { "expected argument 0 to be a str, found None", Of(Global("src.models.enums", "Kind"), "N\u0085R.") },
        { "expected 1 to 1 arguments, found 0", Of(Global("src.models.enums", "Kind"), ")R.") },
        { "expected a value on the stack, found none", Of(".") },
        { "expected a value on the stack, found none", Of("N(a.") },
        { "expected a mark on the stack, found none", Of("t.") },
        { "the pickle ends before all of it is used", Of("NN.") },
        { "the pickle ends before all of it is used", Of("N.N") },
        { "recalls value 7, which was never remembered", Of("h\u0007.") },
        { "recalls value 4294967295", Of("j\u00ff\u00ff\u00ff\u00ff.") },
        { "expected 4294967295 more bytes, found 1", Of("X\u00ff\u00ff\u00ff\u00ff.") },
        { "expected 18446744073709551615 more bytes", Of("\u008d\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff.") },
        { "expected 1 more bytes, found 0", Of("N") },
        { "expected text in UTF-8", Of("X\u0001\0\0\0\u00ff.") },
        { "expected a line of at most 512 bytes", Of("c" + new string('m', 600) + "\nn\n.") },
        { "expected pickle protocol 2 to 5, found 1", Of("\u0080\u0001N.") },
        { "expected pickle protocol 2 to 5, found 200", Of("\u0080\u00c8N.") },
        { "expected keys and values in pairs, found 1", Of("}(K\u0001u.") },
        { "a dictionary has the key '1' twice", Of("}(", Text("1"), "NK\u0001Nu.") },
        { "nested at most 100 deep", Of("]q\0h\0a.") },
        { "nested at most 100 deep", Of("}q\0", Text("self"), "h\0s.") },
        { "nested at most 100 deep", Of("]", new string('\u0085', 200), ".") },
        { "values inside each other", Of(new string('(', 2000)) },
        { "expected ('storage', class, key, location, elements)", Of("K\u0001\u0085Q.") },
        { "expected ('storage', class, key, location, elements)", Of(Tuple(Text("module"), Global("torch", "FloatStorage"), Text("0"), Text("cpu"), Int(1)), "Q.") },
        { "expected ('storage', class, key, location, elements)", Of(Tuple(Text("storage"), Global("torch", "float32"), Text("0"), Text("cpu"), Int(1)), "Q.") },
        { "storage '9' is not in the archive", Of(Storage("9", 1), ".") },
        { "it belongs to no tensor", Of(Storage("0", 6), ".") },
        { "storage '0': expected 5 elements of 4 bytes, found an entry of 24 bytes", Of(Storage("0", 5), ".") },
        { "storage '0': expected -6 elements", Of(Storage("0", -6), ".") },
        { "expected 4611686018427387910 elements", Of(Storage("0", 4611686018427387910), ".") },
        { "or an unknown class of storage", Of(Storage("0", 6, "QInt8Storage"), ".") },
        { "expected a storage with a type, found an untyped one", Of(Tensor(Storage("0", 24, "UntypedStorage", "torch.storage"), 0, [6], [1]), ".") },
        { "expected an offset of 0 to 6 elements, found", Of(Tensor(Storage("0", 6), -1, [6], [1]), ".") },
        { "expected an offset of 0 to 6 elements, found", Of(Tensor(Storage("0", 6), 7, [0], [1]), ".") },
        { "leave the 6 elements of the storage", Of(Tensor(Storage("0", 6), 0, [7], [1]), ".") },
        { "leave the 5 elements of the storage", Of(Tensor(Storage("0", 6), 1, [6], [1]), ".") },
        { "leave the 6 elements of the storage", Of(Tensor(Storage("0", 6), 0, [1L << 40], [1]), ".") },
        { "leave the 6 elements of the storage", Of(Tensor(Storage("0", 6), 0, [2], [1L << 62]), ".") },
        { "has more elements than 63 bits can address", Of(Tensor(Storage("0", 6), 0, [1L << 40, 1L << 40], [0, 0]), ".") },
        { "use elements twice", Of(Tensor(Storage("0", 6), 0, [1L << 40], [0]), ".") },
        { "use elements twice", Of(Tensor(Storage("0", 6), 0, [3, 3], [1, 1]), ".") },
        { "use elements twice", Of(Tensor(Storage("0", 6), 5, [6], [-1]), ".") },
        { "without negative sizes", Of(Tensor(Storage("0", 6), 0, [-6], [1]), ".") },
        { "expected as many strides as sizes, found 1 and 2", Of(Tensor(Storage("0", 6), 0, [2, 3], [1]), ".") },
        { "at least 1 elements in the storage, found 0", Of(Tensor(Storage("0", 6), 6, [], []), ".") },
        { "expected at most 64 dimensions, found 65", Of(Tensor(Storage("0", 6), 0, [.. Enumerable.Repeat(1L, 65)], [1]), ".") },
        { "expected argument 2 to hold integers", Of(Global("torch._utils", "_rebuild_tensor_v2"), Tuple(Storage("0", 6), Int(0), Tuple("N"), Sizes(1)), "R.") },
        { "expected argument 0 to be a storage, found None", Of(Global("torch._utils", "_rebuild_tensor_v2"), Tuple("N", Int(0), Sizes(1), Sizes(1)), "R.") },
        { "expected argument 0 to be a tensor, found None", Of(Global("torch._utils", "_rebuild_parameter"), Tuple("N", "\u0089", "N"), "R.") },
        { "expected a dtype, found 'torch.FloatStorage'", Of(Global("torch._utils", "_rebuild_tensor_v3"), Tuple(Storage("0", 6), Int(0), Sizes(1), Sizes(1), "\u0089", "N", Global("torch", "FloatStorage")), "R.") },
        { "expected bytes written as latin1 text", Of(Global("_codecs", "encode"), Text("a"), Text("rot13"), "\u0086R.") },
        { "expected bytes written as latin1 text", Of(Global("_codecs", "encode"), Text("\u0100"), Text("latin1"), "\u0086R.") },
        { "expected the name of a device", Of(Global("torch", "device"), Text(new string('x', 1000)), "\u0085R.") },
    };

    [Theory]
    [MemberData(nameof(Values))]
    public void A_plain_value_is_itself(byte[] pickle, object? value) => Assert.Equal(value, Load(pickle));

    [Theory]
    [MemberData(nameof(Sequences))]
    public void Lists_tuples_and_sets_are_lists(byte[] pickle) => Assert.Equal([1L, 2L], Assert.IsAssignableFrom<IReadOnlyList<object?>>(Load(pickle)));

    [Theory]
    [MemberData(nameof(Dictionaries))]
    public void All_kinds_of_dictionaries_are_dictionaries_in_their_order(byte[] pickle)
    {
        IReadOnlyDictionary<string, object?> dictionary = Assert.IsAssignableFrom<IReadOnlyDictionary<string, object?>>(Load(pickle));
        Assert.Equal([new("a", 1L), new("b", null)], dictionary);
    }

    [Fact]
    public void Integer_keys_are_decimal_text()
    {
        IReadOnlyDictionary<string, object?> dictionary = Assert.IsAssignableFrom<IReadOnlyDictionary<string, object?>>(Load(Of("}(", Int(-3), "NK\u0007Nu.")));
        Assert.Equal(["-3", "7"], dictionary.Keys);
    }

    [Fact]
    public void Bytes_are_read_from_every_spelling()
    {
        byte[][] spellings =
        [
            Of("C\u0002\u0001\u00ff."), Of("B\u0002\0\0\0\u0001\u00ff."), Of("\u008e\u0002\0\0\0\0\0\0\0\u0001\u00ff."), Of("\u0096\u0002\0\0\0\0\0\0\0\u0001\u00ff."),
            Of(Global("_codecs", "encode"), Text("\u0001\u00ff"), Text("latin1"), "\u0086R."),
            Of(Global("__builtin__", "bytearray"), Text("\u0001\u00ff"), Text("latin-1"), "\u0086R."),
            Of(Global("builtins", "bytearray"), "C\u0002\u0001\u00ff\u0085R."),
        ];
        Assert.All(spellings, pickle => Assert.Equal([1, 255], Assert.IsType<ReadOnlyMemory<byte>>(Load(pickle)).ToArray()));
        Assert.True(Assert.IsType<ReadOnlyMemory<byte>>(Load(Of(Global("__builtin__", "bytes"), ")R."))).IsEmpty);
    }

    [Fact]
    public void A_tensor_a_parameter_and_a_tensor_of_untyped_storage_are_tensors()
    {
        byte[] tensor = Tensor(Storage("0", 6), 0, [2, 3], [3, 1]);
        byte[] untyped = Of(Global("torch._utils", "_rebuild_tensor_v3"), Tuple(Storage("0", 24, "UntypedStorage", "torch.storage"), Int(0), Sizes(4, 3), Sizes(3, 1), "\u0089", "N", Global("torch", "uint16")), "R");
        Assert.Equal((TensorType.Float32, 2), Facts(Load(Of(tensor, "."))));
        Assert.Equal((TensorType.Float32, 2), Facts(Load(Of(Global("torch._utils", "_rebuild_parameter"), Tuple(tensor, "\u0088", "N"), "R."))));
        Assert.Equal((TensorType.UInt16, 4), Facts(Load(Of(untyped, "."))));
        static (TensorType, long) Facts(object? value) => value is TorchTensor found ? (found.Type, found.Shape[0]) : default;
    }

    /// <summary>What people's trainers leave beside the weights: NumPy numbers and arrays, paths, dates, counters, classes, options of any library.</summary>
    public static TheoryData<string, byte[]> Strangers => new()
    {
        { "numpy.core.multiarray.scalar", Of(Global("numpy.core.multiarray", "scalar"), Tuple(Of(Global("numpy", "dtype"), Tuple(Text("f8"), "\u0089", "\u0088"), "R", Tuple(Int(3), Text("<"), "N"), "b"), Of(Global("_codecs", "encode"), Tuple(Text("12345678"), Text("latin1")), "R")), "R") },
        { "numpy.core.multiarray._reconstruct", Of(Global("numpy.core.multiarray", "_reconstruct"), Tuple(Global("numpy", "ndarray"), Sizes(0), "C\u0001b"), "R", Tuple(Int(1), Sizes(2)), "b") },
        { "pathlib.PosixPath", Of(Global("pathlib", "PosixPath"), Tuple(Text("/"), Text("data")), "R") },
        { "datetime.datetime", Of(Global("datetime", "datetime"), "C\u0002ab\u0085R") },
        { "collections.Counter", Of(Global("collections", "Counter"), "}", Text("a"), Int(1), "s\u0085R") },
        { "collections.defaultdict", Of(Global("collections", "defaultdict"), Global("__builtin__", "list"), "\u0085R") },
        { "my.training.Options", Of(Global("my.training", "Options"), ")\u0081}", Text("lr"), "Ns", "b") },
        { "my.Slots", Of(Global("my", "Slots"), ")\u0081N}", Text("lr"), "Ns\u0086b") },
        { "my.Named", Of(Global("my", "Named"), ")}", Text("lr"), "Ns\u0092") },
        { "my.List", Of(Global("my", "List"), ")\u0081(K\u0001K\u0002e") },
        { "my.Class", Of(Global("my", "Class")) },
        { "my.Kind", Of(Global("__builtin__", "getattr"), Global("my", "Kind"), Text("A"), "\u0086R") },
        { "functools.partial", Of(Global("functools", "partial"), Global("torch.nn", "GELU"), "\u0085R") },
        { "collections.OrderedDict", Of(Global("collections", "OrderedDict")) },
    };

    [Theory]
    [MemberData(nameof(Strangers))]
    public void Objects_of_other_classes_stay_inert_and_say_their_class(string @class, byte[] pickle)
    {
        IReadOnlyDictionary<string, object?> root = Assert.IsAssignableFrom<IReadOnlyDictionary<string, object?>>(
            Load(Of("}(", Text("stranger"), pickle, Text("weight"), Tensor(Storage("0", 6), 0, [6], [1]), "u.")));
        Assert.Equal(new TorchObject(@class), root["stranger"]);
        Assert.IsType<TorchTensor>(root["weight"]);
    }

    [Fact]
    public void A_dictionary_of_a_class_of_its_own_is_a_dictionary()
    {
        byte[] tensor = Tensor(Storage("0", 6), 0, [6], [1]);
        foreach (byte[] dictionary in new[]
        {
            Of(Global("my", "Dict"), ")\u0081", Text("w"), tensor, "s"),
            Of(Global("collections", "defaultdict"), Global("__builtin__", "list"), "\u0085R(", Text("w"), tensor, "u"),
            Of(Global("collections", "OrderedDict"), "](", Text("w"), tensor, "ta\u0085R"),
        })
        {
            Assert.IsType<TorchTensor>(Assert.IsAssignableFrom<IReadOnlyDictionary<string, object?>>(Load(Of(dictionary, ".")))["w"]);
        }
    }

    [Fact]
    public void A_pickled_module_is_the_state_dict_that_it_holds()
    {
        byte[] tensor = Tensor(Storage("0", 6), 0, [6], [1]);
        byte[] inner = Module(Of(Text("weight"), tensor, "s", Text("bias"), "Ns"), Of(Text("running"), tensor, "s"), []);
        object? root = Load(Of(Module([], [], Of(Text("fc"), inner, "s")), "."));
        IReadOnlyDictionary<string, object?> fc = Assert.IsAssignableFrom<IReadOnlyDictionary<string, object?>>(
            Assert.IsAssignableFrom<IReadOnlyDictionary<string, object?>>(root)["fc"]);
        Assert.Equal(["weight", "bias", "running"], fc.Keys);
        Assert.IsType<TorchTensor>(fc["weight"]);

        static byte[] Module(byte[] parameters, byte[] buffers, byte[] modules) => Of(
            Global("my.models", "Net"), ")\u0081}(", Text("training"), "\u0089", Text("_parameters"), "}", parameters, Text("_buffers"), Global("collections", "OrderedDict"), ")R", buffers,
            Text("_modules"), "}", modules, Text("_forward_hooks"), Global("collections", "OrderedDict"), ")Rub");
    }

    [Fact]
    public void A_module_of_torchscript_is_the_dictionary_of_its_attributes()
    {
        byte[] conv = Of(Global("__torch__.torch.nn.modules.conv", "Conv2d"), ")\u0081}(", Text("weight"), Tensor(Storage("0", 6), 0, [6], [1]), Text("stride"),
            Global("torch.jit._pickle", "build_intlist"), "](K\u0001K\u0002e\u0085R", "ub");
        IReadOnlyDictionary<string, object?> root = Assert.IsAssignableFrom<IReadOnlyDictionary<string, object?>>(
            PickleMachine.Load("file", Of(Global("__torch__", "J"), ")\u0081}", Text("conv1"), conv, "sb."), _ => new ZipEntry("a/data/0", false, 24, 24, 0, 0, 0), out string? rootClass));
        Assert.Equal("__torch__.J", rootClass);
        Assert.IsType<TorchTensor>(Assert.IsAssignableFrom<IReadOnlyDictionary<string, object?>>(root["conv1"])["weight"]);
    }

    [Fact]
    public void Keys_that_are_no_names_do_not_stand_in_the_way()
    {
        IReadOnlyDictionary<string, object?> root = Assert.IsAssignableFrom<IReadOnlyDictionary<string, object?>>(Load(Of("}()NNN\u0088Nu.")));
        Assert.Equal(["<a tuple 0>", "<None 1>", "<a bool 2>"], root.Keys);
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_is_wrong_or_not_allowed_is_refused_by_name_and_place(string fault, byte[] pickle)
    {
        string message = Fault(pickle);
        Assert.Contains(fault, message, StringComparison.Ordinal);
        Assert.StartsWith("file: data.pkl, byte ", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void The_place_of_a_refused_name_is_the_instruction_that_mentions_it()
    {
        string message = Fault(Of("\u0080\u0002]", Global("posix", "system"), "."));
        Assert.Equal($"file: data.pkl, byte 3: refused the global 'posix.system': {Refusal}", message);
    }

    internal static object? Load(byte[] pickle) => PickleMachine.Load("file", pickle, key => key == "0" ? new ZipEntry("a/data/0", false, 24, 24, 0, 0, 0) : null, out _);

    private static string Fault(byte[] pickle) => Assert.Throws<CheckpointFormatException>(() => Load(pickle)).Message;
}
