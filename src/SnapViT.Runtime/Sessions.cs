using Microsoft.ML.OnnxRuntime;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;

namespace SnapViT.Runtime;

/// <summary>
/// Opens graphs so that sessions of one family share their weights. ONNX Runtime maps a file of weights instead of reading it, and the
/// system holds the pages of one file once; what would make copies of them is turned off.
/// </summary>
internal static class Sessions
{
    private const string NativePackage = "Microsoft.ML.OnnxRuntime --version 1.31.1";

    private static readonly Lock Registration = new();
    private static bool _hasArena;

    /// <summary>Opens a graph.</summary>
    /// <param name="path">The graph; its weights are beside it.</param>
    /// <param name="options">How it runs.</param>
    /// <param name="weights">The weights in memory; null to map their files.</param>
    /// <exception cref="CheckpointFormatException">It is no graph, or a damaged one.</exception>
    /// <exception cref="SnapViTException">The native half of ONNX Runtime is missing.</exception>
    public static InferenceSession Open(string path, RuntimeOptions options, WeightMemory? weights)
    {
        try
        {
            ShareArena();
            using SessionOptions session = new();
            session.IntraOpNumThreads = options.Threads;
            session.LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL;

            // One arena for all sessions: an arena of its own keeps the activations of its largest run.
            session.AddSessionConfigEntry("session.use_env_allocators", "1");
            if (!options.CopyWeights)
            {
                session.AddSessionConfigEntry("session.disable_prepacking", "1");
            }

            weights?.AddTo(session, path);
            options.Configure?.Invoke(session);
            return new InferenceSession(path, session);
        }
        catch (OnnxRuntimeException refused)
        {
            throw new CheckpointFormatException(
                path,
                $"expected an ONNX graph of a family, ONNX Runtime says: {refused.Message.ReplaceLineEndings(" ")}",
                innerException: refused);
        }
        catch (Exception missing) when (missing is DllNotFoundException or TypeInitializationException or EntryPointNotFoundException)
        {
            string reason = (missing.InnerException ?? missing).Message.ReplaceLineEndings(" ");
            throw new SnapViTException(
                ErrorKind.Runtime,
                "the native library of ONNX Runtime cannot be loaded; a program adds it with: "
                    + $"dotnet add package {NativePackage} ({reason})",
                missing);
        }
    }

    /// <summary>Registers one arena with the environment, unless the program did.</summary>
    private static void ShareArena()
    {
        lock (Registration)
        {
            if (_hasArena)
            {
                return;
            }

            // What is run is nobody else's business.
            OrtEnv.Instance().DisableTelemetryEvents();
            using OrtMemoryInfo memory = new("Cpu", OrtAllocatorType.ArenaAllocator, 0, OrtMemType.Default);
            using OrtArenaCfg arena = new(0, -1, -1, -1);
            try
            {
                OrtEnv.Instance().CreateAndRegisterAllocator(memory, arena);
            }
            catch (OnnxRuntimeException)
            {
                // There is one already.
            }

            _hasArena = true;
        }
    }
}
