using System.Collections.Frozen;

namespace SnapViT.Core.Checkpoints.Pickle;

/// <summary>
/// The list of Python names that mean something in a checkpoint. Nothing on it runs code of the file or of Python. A name off the list
/// makes an inert <see cref="PickleObject"/>; one that only an attack needs is refused.
/// </summary>
internal static class PickleGlobals
{
    /// <summary>The module whose classes are enumerations: that of the reference's score files.</summary>
    private const string EnumModule = "src.models.enums";

    private static readonly FrozenDictionary<(string Module, string Name), PickleGlobal> Allowed =
        Rows().ToFrozenDictionary(row => (row.Module, row.Name));

    /// <summary>What numpy writes of an array, in a pickle of data only.</summary>
    private static readonly FrozenDictionary<(string Module, string Name), PickleGlobal> OfArrays = new PickleGlobal[]
    {
        new("numpy.core.multiarray", "_reconstruct") { Call = PickleArray.Reconstruct },
        new("numpy._core.multiarray", "_reconstruct") { Call = PickleArray.Reconstruct },
        new("numpy", "ndarray"),
        new("numpy", "dtype") { Call = PickleArray.Element },
    }.ToFrozenDictionary(row => (row.Module, row.Name));

    /// <summary>Modules that start programs, open connections or read other files: no honest checkpoint mentions them.</summary>
    private static readonly FrozenSet<string> RefusedModules = new[]
    {
        "os", "posix", "nt", "subprocess", "sys", "socket", "runpy", "importlib", "pty", "shutil", "ctypes", "webbrowser", "commands",
        "pickle", "_pickle",
        "marshal", "code", "pdb", "timeit", "platform", "asyncio", "http", "urllib", "requests", "pip", "tempfile",
        "bdb", "cProfile", "profile",
    }.ToFrozenSet();

    /// <summary>Functions that do the same.</summary>
    private static readonly FrozenSet<(string Module, string Name)> RefusedNames = new[]
    {
        "eval", "exec", "execfile", "compile", "open", "__import__", "apply", "globals", "locals", "input", "breakpoint",
        "setattr", "delattr", "vars",
    }.Select(name => ("builtins", name)).Append(("torch", "load")).Append(("numpy", "load")).Append(("io", "open")).ToFrozenSet();

    /// <exception cref="CheckpointFormatException">The name is one that no honest checkpoint mentions.</exception>
    public static PickleGlobal Find(PickleCursor cursor, string module, string name)
    {
        // Protocol 2 writes the built-ins under the name they had in Python 2.
        string modern = module == "__builtin__" ? "builtins" : module;
        if (Allowed.TryGetValue((modern, name), out PickleGlobal? global))
        {
            return global;
        }

        if (modern == EnumModule && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
        {
            return new PickleGlobal(modern, name) { IsEnum = true, Call = PickleCalls.EnumByValue };
        }

        bool isRefused = RefusedNames.Contains((modern, name))
            || RefusedModules.Contains(modern.Split('.')[0])
            || name.Split('.').SkipLast(1).Any(RefusedModules.Contains);
        return isRefused
            ? throw cursor.Fault(
                $"refused the global {CheckpointFormatException.Quote($"{module}.{name}")}: "
                + "it is not among the names a checkpoint may hold; nothing was run")
            : new PickleGlobal(modern, name) { IsUnknown = true };
    }

    /// <summary>A name that numpy writes of an array; null for another.</summary>
    public static PickleGlobal? FindOfArrays(string module, string name) => OfArrays.GetValueOrDefault((module, name));

    private static IEnumerable<PickleGlobal> Rows()
    {
        yield return new("collections", "OrderedDict") { IsDictionary = true, Call = PickleCalls.Dictionary };
        yield return new("argparse", "Namespace") { IsDictionary = true, KeepsState = true };
        yield return new("builtins", "set") { Call = PickleCalls.Set };
        yield return new("builtins", "frozenset") { Call = PickleCalls.Set };
        yield return new("builtins", "bytes") { Call = PickleCalls.Bytes };
        yield return new("builtins", "bytearray") { Call = PickleCalls.Bytes };
        yield return new("builtins", "getattr") { Call = PickleCalls.EnumByName };
        yield return new("_codecs", "encode") { Call = PickleCalls.Bytes };
        yield return new("torch", "Size") { Call = PickleCalls.Size };
        yield return new("torch", "device") { Call = PickleCalls.Device };
        yield return new("torch._utils", "_rebuild_tensor") { Call = PickleCalls.Tensor };
        yield return new("torch._utils", "_rebuild_tensor_v2") { Call = PickleCalls.Tensor };
        yield return new("torch._utils", "_rebuild_tensor_v3") { Call = PickleCalls.TensorOfUntypedStorage };
        yield return new("torch._utils", "_rebuild_parameter") { Call = PickleCalls.Parameter };
        yield return new("torch._tensor", "_rebuild_from_type_v2") { Call = PickleCalls.TensorOfClass };
        yield return new("torch.storage", "UntypedStorage") { IsStorage = true };
        foreach (TensorType type in Enum.GetValues<TensorType>())
        {
            if (type.TorchName() is { } name)
            {
                yield return new("torch", name) { Type = type };
            }

            if (type.StorageClass() is { } storage)
            {
                yield return new("torch", storage) { IsStorage = true, Type = type };
            }
        }
    }
}
