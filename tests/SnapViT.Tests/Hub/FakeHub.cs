using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;

namespace SnapViT.Tests.Hub;

/// <summary>A hub with one model and, on another port and so another origin, its content store; both really speak HTTP. Faults are handed in.</summary>
internal sealed class FakeHub : IDisposable
{
    public const string Repository = "org/model";
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    public FakeHub()
    {
        Hub = new LoopbackServer(asked => Fault(asked) ?? AnswerOfHub(asked));
        Store = new LoopbackServer(asked => StoreFault(asked) ?? AnswerOfStore(asked));
    }

    public LoopbackServer Hub { get; }

    public LoopbackServer Store { get; }

    /// <summary>Content by name; <c>.json</c> is served by the hub, the rest by the store.</summary>
    public ConcurrentDictionary<string, byte[]> Files { get; } = new() { ["config.json"] = "{}"u8.ToArray(), ["README.md"] = "text"u8.ToArray() };

    public string Head { get; set; } = Commit;

    /// <summary>Where the store's contents are, as the hub says it.</summary>
    public Func<string, string>? Location { get; set; }

    public Func<Asked, Answer?> Fault { get; set; } = _ => null;

    public Func<Asked, Answer?> StoreFault { get; set; } = _ => null;

    /// <summary>Bytes without a pattern that a shifted or repeated piece could hide in; the same ones each time.</summary>
    public static byte[] Content(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    public static string Sha256(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    /// <summary>git's name of a content, by which the hub tells small files.</summary>
    public static string GitHash(byte[] content) =>
        Sha1([.. System.Text.Encoding.ASCII.GetBytes($"blob {content.Length}\0"), .. content]);

#pragma warning disable CA5350 // git chose it.
    public static string Sha1(byte[] content) => Convert.ToHexStringLower(SHA1.HashData(content));
#pragma warning restore CA5350

    /// <summary>Answers the first requests that match with these, then as a healthy server does.</summary>
    public static Func<Asked, Answer?> First(Func<Asked, bool> match, params Func<Asked, Answer>[] answers)
    {
        ConcurrentQueue<Func<Asked, Answer>> left = new(answers);
        return asked => match(asked) && left.TryDequeue(out Func<Asked, Answer>? answer) ? answer(asked) : null;
    }

    public static Answer Error(int status, string? code = null) => code is null ? new Answer(status, []) : new Answer(status, []).With("X-Error-Code", code);

    /// <summary>The store's healthy answer to a request, honouring Range.</summary>
    public Answer AnswerOfStore(Asked asked)
    {
        byte[] content = Files.Values.Single(file => asked.Path == $"/{Sha256(file)}");
        return asked.From == 0
            ? new Answer(200, content)
            : new Answer(206, content[(int)asked.From..]).With("Content-Range", $"bytes {asked.From}-{content.Length - 1}/{content.Length}");
    }

    public void Dispose()
    {
        Hub.Dispose();
        Store.Dispose();
    }

    private Answer AnswerOfHub(Asked asked)
    {
        string[] path = asked.Path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        return path switch
        {
            ["api", "models", "org", "model", "revision", "main" or "refs%2Fpr%2F1" or Commit] => Listing(),
            ["api", "models", "org", "model", "revision", _] => Error(404, "RevisionNotFound"),
            ["org", "model", "resolve", string commit, string file] when commit == Head => Files.TryGetValue(file, out byte[]? content) ? Resolve(file, content) : Error(404, "EntryNotFound"),
            _ => Error(401, "RepoNotFound"),
        };
    }

    private Answer Listing() =>
        new(200, JsonSerializer.SerializeToUtf8Bytes(new { id = Repository, sha = Head, siblings = Files.Keys.Select(name => new { rfilename = name }) }));

    private Answer Resolve(string name, byte[] content) => name.EndsWith(".json", StringComparison.Ordinal)
        ? new Answer(200, content).With("ETag", $"\"{GitHash(content)}\"").With("X-Repo-Commit", Head)
        : new Answer(302, []).With("X-Linked-ETag", $"\"{Sha256(content)}\"").With("X-Linked-Size", $"{content.Length}").With("X-Repo-Commit", Head)
            .With("Location", Location?.Invoke(Sha256(content)) ?? $"{Store.Address}{Sha256(content)}");
}
