using System.Diagnostics;
using System.Globalization;
using System.Net;
using Garnet;
using Garnet.server;
using SnapViT.Cluster.Membership;

namespace SnapViT.Cli.Tests;

/// <summary>Where the list of the silos of a cluster is kept: in a server that this starts, and ends.</summary>
/// <param name="cluster">What --cluster names; null for the address of the build.</param>
/// <param name="end">Ends the server.</param>
internal sealed class MembershipServer(string? cluster, Action end) : IDisposable
{
    public const string None = "the build", Sqlite = "SQLite", Redis = "Redis", Postgres = "PostgreSQL";

    private const string Debian = "/usr/lib/postgresql";

    public string? Cluster => cluster;

    public static bool IsInstalled(string kind) => kind != Postgres || Programs() is not null;

    public static MembershipServer Start(string kind, Workspace at) => kind switch
    {
        Sqlite => new MembershipServer($"sqlite:{at.In("cluster.db")}", () => { }),
        Redis => StartRedis(),
        Postgres => StartPostgres(),
        _ => new MembershipServer(null, () => { }),
    };

    public void Dispose() => end();

    /// <summary>A server in this process that speaks Redis's protocol.</summary>
    private static MembershipServer StartRedis()
    {
        int port = TcpPort.Free(IPAddress.Loopback);
        GarnetServer server = new(new GarnetServerOptions
        {
            EndPoints = [new IPEndPoint(IPAddress.Loopback, port)], QuietMode = true, EnableLua = true, LuaOptions = new LuaOptions(),
        });
        server.Start();
        return new MembershipServer($"redis:127.0.0.1:{port}", server.Dispose);
    }

    /// <summary>A server of its own with a new folder; as root it runs as the user that the package made.</summary>
    private static MembershipServer StartPostgres()
    {
        string bin = Programs()!, folder = Directory.CreateTempSubdirectory("snapvit-postgres-").FullName, data = Path.Combine(folder, "data");
        int port = TcpPort.Free(IPAddress.Loopback);
        if (Environment.UserName == "root")
        {
            Run("chown", "postgres", folder);
        }

        RunAs(Path.Combine(bin, "initdb"), "-D", data, "-A", "trust", "-U", "snapvit");
        RunAs(
            Path.Combine(bin, "pg_ctl"), "-D", data, "-w", "-l", Path.Combine(folder, "log"), "-o",
            string.Create(CultureInfo.InvariantCulture, $"-p {port} -c listen_addresses=127.0.0.1 -k {folder}"), "start");
        return new MembershipServer($"postgres:Host=127.0.0.1;Port={port};Username=snapvit;Database=postgres", () =>
        {
            RunAs(Path.Combine(bin, "pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop");
            Directory.Delete(folder, recursive: true);
        });
    }

    private static string? Programs() => Directory.Exists(Debian)
        ? Directory.EnumerateDirectories(Debian).Select(version => Path.Combine(version, "bin")).FirstOrDefault(bin => File.Exists(Path.Combine(bin, "initdb")))
        : null;

    private static void RunAs(string program, params string[] arguments)
    {
        if (Environment.UserName == "root")
        {
            Run("runuser", ["-u", "postgres", "--", program, .. arguments]);
        }
        else
        {
            Run(program, arguments);
        }
    }

    private static void Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = Path.GetTempPath() })!;
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {process.ExitCode}");
    }
}
