using System.Globalization;
using Microsoft.Data.Sqlite;
using Npgsql;
using SnapViT.Cluster.Membership;
using SnapViT.Core.Errors;

namespace SnapViT.Cli.Tests;

/// <summary>The tables of the silos of a cluster, in a file of SQLite and in PostgreSQL where that is installed.</summary>
public sealed class ClusterMembershipTests : IDisposable
{
    private readonly Workspace _at = new();

    public void Dispose() => _at.Dispose();

    [Theory]
    [InlineData(MembershipServer.Sqlite)]
    [InlineData(MembershipServer.Postgres)]
    public void Eight_that_make_the_tables_at_once_make_them_once(string kind)
    {
        Assert.SkipUnless(MembershipServer.IsInstalled(kind), $"{kind} is not installed");
        using MembershipServer server = MembershipServer.Start(kind, _at);
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ => ClusterMembership.Parse(server.Cluster!).Prepare());
        Assert.Equal(kind == MembershipServer.Sqlite ? MembershipSql.SqliteQueries.Count : MembershipSql.PostgresQueries.Count, Queries(server.Cluster!));
    }

    [Fact]
    public void Who_finds_the_tables_needs_no_right_to_make_any()
    {
        Assert.SkipUnless(MembershipServer.IsInstalled(MembershipServer.Postgres), "PostgreSQL is not installed");
        using MembershipServer server = MembershipServer.Start(MembershipServer.Postgres, _at);
        Execute("CREATE ROLE worker LOGIN");
        ClusterMembership ofWorker = ClusterMembership.Parse(server.Cluster!.Replace("Username=snapvit", "Username=worker", StringComparison.Ordinal));
        SnapViTException refused = Assert.Throws<SnapViTException>(ofWorker.Prepare);
        Assert.Contains("permission denied", refused.Message, StringComparison.Ordinal);
        ClusterMembership.Parse(server.Cluster!).Prepare();
        Execute("GRANT SELECT ON OrleansQuery TO worker");
        ofWorker.Prepare();

        void Execute(string text)
        {
            using NpgsqlConnection connection = new(server.Cluster!["postgres:".Length..]);
            connection.Open();
            using NpgsqlCommand command = new(text, connection);
            command.ExecuteNonQuery();
        }
    }

    /// <summary>Who read the list before another one changed it, changes nothing: Orleans reads it again then.</summary>
    [Theory]
    [InlineData(0, 1)]
    [InlineData(7, 0)]
    public void A_silo_is_added_only_to_the_list_that_was_read(int version, int added)
    {
        using MembershipServer server = MembershipServer.Start(MembershipServer.Sqlite, _at);
        ClusterMembership.Parse(server.Cluster!).Prepare();
        using SqliteConnection connection = new($"Data Source={_at.In("cluster.db")}");
        connection.Open();
        Run(MembershipSql.SqliteQueries["InsertMembershipVersionKey"]);
        Assert.Equal(added, Run(MembershipSql.SqliteQueries[MembershipSql.InsertSilo]));
        Assert.Equal(added, Run("SELECT Version FROM OrleansMembershipVersionTable"));
        Assert.Equal(added, Run("SELECT count(*) FROM OrleansMembershipTable"));

        int Run(string text)
        {
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = text;
            command.Parameters.AddWithValue("@DeploymentId", "cluster");
            command.Parameters.AddWithValue("@Version", version);
            foreach (string name in new[] { "@Address", "@SiloName", "@HostName", "@StartTime", "@IAmAliveTime" })
            {
                command.Parameters.AddWithValue(name, name);
            }

            foreach (string name in new[] { "@Port", "@Generation", "@Status", "@ProxyPort" })
            {
                command.Parameters.AddWithValue(name, 1);
            }

            return Convert.ToInt32(command.ExecuteScalar(), CultureInfo.InvariantCulture);
        }
    }

    private static int Queries(string cluster)
    {
        string place = cluster[(cluster.IndexOf(':', StringComparison.Ordinal) + 1)..];
        using System.Data.Common.DbConnection connection =
            cluster.StartsWith("sqlite", StringComparison.Ordinal) ? new SqliteConnection($"Data Source={place}") : new NpgsqlConnection(place);
        connection.Open();
        using System.Data.Common.DbCommand command = connection.CreateCommand();
        command.CommandText = "SELECT count(*) FROM OrleansQuery";
        return Convert.ToInt32(command.ExecuteScalar(), CultureInfo.InvariantCulture);
    }
}
