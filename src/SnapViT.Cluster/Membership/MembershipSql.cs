namespace SnapViT.Cluster.Membership;

/// <summary>
/// The tables and queries of Orleans's membership. A silo is added or changed only if the version of the list is the one that was read
/// before, and the version grows by one with it: both in one statement, so that no lock is kept. Source: Orleans, IMembershipTable and
/// its contract for relational databases.
/// </summary>
internal static class MembershipSql
{
    /// <summary>The key of the query that adds a silo: a database that has it has them all.</summary>
    public const string InsertSilo = "InsertMembershipKey";

    private const string
        Query = "CREATE TABLE IF NOT EXISTS OrleansQuery (QueryKey varchar(64) PRIMARY KEY, QueryText varchar(8000) NOT NULL)",
        Columns = "DeploymentId, Address, Port, Generation, SiloName, HostName, Status, ProxyPort, StartTime, IAmAliveTime",
        Values = "@Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime",
        OneSilo = "DeploymentId = @DeploymentId AND Address = @Address AND Port = @Port AND Generation = @Generation",
        AsRead = "DeploymentId = @DeploymentId AND Version = @Version",
        Dead = "6",
        Changes = "Status = @Status, SuspectTimes = @SuspectTimes, IAmAliveTime = @IAmAliveTime";

    /// <summary>The tables in PostgreSQL.</summary>
    public static IReadOnlyList<string> PostgresTables { get; } =
    [
        // Tables that two transactions make at once are an error in PostgreSQL even where they may be there.
        "SELECT pg_advisory_xact_lock(hashtext('OrleansQuery'))", Query, .. Tables("timestamptz(3)", "now()"),
    ];

    /// <summary>The queries in PostgreSQL: a row that another transaction changes is waited for, and then read again.</summary>
    public static IReadOnlyDictionary<string, string> PostgresQueries { get; } = Queries(
        $"""
        WITH version AS (
          UPDATE OrleansMembershipVersionTable SET Version = Version + 1, Timestamp = now()
          WHERE {AsRead} AND NOT EXISTS (SELECT 1 FROM OrleansMembershipTable WHERE {OneSilo})
          RETURNING DeploymentId),
        silo AS (INSERT INTO OrleansMembershipTable ({Columns}) SELECT DeploymentId, {Values} FROM version RETURNING 1)
        SELECT CAST(count(*) AS integer) FROM silo
        """,
        $"""
        WITH version AS (
          UPDATE OrleansMembershipVersionTable SET Version = Version + 1, Timestamp = now()
          WHERE {AsRead} AND EXISTS (SELECT 1 FROM OrleansMembershipTable WHERE {OneSilo})
          RETURNING DeploymentId),
        silo AS (
          UPDATE OrleansMembershipTable SET {Changes} WHERE {OneSilo} AND DeploymentId IN (SELECT DeploymentId FROM version)
          RETURNING 1)
        SELECT CAST(count(*) AS integer) FROM silo
        """,
        """
        WITH version AS (
          INSERT INTO OrleansMembershipVersionTable (DeploymentId) VALUES (@DeploymentId) ON CONFLICT DO NOTHING RETURNING 1)
        SELECT CAST(count(*) AS integer) FROM version
        """);

    /// <summary>The tables in SQLite, where a trigger lets the version grow in the same statement.</summary>
    public static IReadOnlyList<string> SqliteTables { get; } =
    [
        Query, .. Tables("text", "CURRENT_TIMESTAMP"), Grows("Added", "INSERT"), Grows("Changed", "UPDATE OF Status"),
    ];

    /// <summary>The queries in SQLite.</summary>
    public static IReadOnlyDictionary<string, string> SqliteQueries { get; } = Queries(
        $"""
        INSERT INTO OrleansMembershipTable ({Columns}) SELECT DeploymentId, {Values} FROM OrleansMembershipVersionTable WHERE {AsRead}
        ON CONFLICT DO NOTHING;
        SELECT changes()
        """,
        $"""
        UPDATE OrleansMembershipTable SET {Changes}
        WHERE {OneSilo} AND EXISTS (SELECT 1 FROM OrleansMembershipVersionTable WHERE {AsRead});
        SELECT changes()
        """,
        "INSERT INTO OrleansMembershipVersionTable (DeploymentId) VALUES (@DeploymentId) ON CONFLICT DO NOTHING; SELECT changes()");

    private static string[] Tables(string time, string now) =>
    [
        $"""
        CREATE TABLE IF NOT EXISTS OrleansMembershipVersionTable (
          DeploymentId varchar(150) PRIMARY KEY, Timestamp {time} NOT NULL DEFAULT {now}, Version integer NOT NULL DEFAULT 0)
        """,
        $"""
        CREATE TABLE IF NOT EXISTS OrleansMembershipTable (
          DeploymentId varchar(150) NOT NULL REFERENCES OrleansMembershipVersionTable, Address varchar(45) NOT NULL, Port integer NOT NULL,
          Generation integer NOT NULL, SiloName varchar(150) NOT NULL, HostName varchar(150) NOT NULL, Status integer NOT NULL,
          ProxyPort integer, SuspectTimes varchar(8000), StartTime {time} NOT NULL, IAmAliveTime {time} NOT NULL,
          PRIMARY KEY (DeploymentId, Address, Port, Generation))
        """,
    ];

    private static string Grows(string name, string when) => $"""
        CREATE TRIGGER IF NOT EXISTS OrleansMembership{name} AFTER {when} ON OrleansMembershipTable BEGIN
          UPDATE OrleansMembershipVersionTable SET Version = Version + 1, Timestamp = CURRENT_TIMESTAMP
          WHERE DeploymentId = NEW.DeploymentId;
        END
        """;

    private static Dictionary<string, string> Queries(string insert, string update, string insertVersion) => new()
    {
        [InsertSilo] = insert,
        ["UpdateMembershipKey"] = update,
        ["InsertMembershipVersionKey"] = insertVersion,
        ["UpdateIAmAlivetimeKey"] = $"UPDATE OrleansMembershipTable SET IAmAliveTime = @IAmAliveTime WHERE {OneSilo}",
        ["MembershipReadRowKey"] = Read("AND m.Address = @Address AND m.Port = @Port AND m.Generation = @Generation"),
        ["MembershipReadAllKey"] = Read(""),
        ["DeleteMembershipTableEntriesKey"] =
            "DELETE FROM OrleansMembershipTable WHERE DeploymentId = @DeploymentId; "
            + "DELETE FROM OrleansMembershipVersionTable WHERE DeploymentId = @DeploymentId",
        ["CleanupDefunctSiloEntriesKey"] =
            $"DELETE FROM OrleansMembershipTable WHERE DeploymentId = @DeploymentId AND Status = {Dead} AND IAmAliveTime < @IAmAliveTime",
        ["CleanupDefunctSiloEntryKey"] =
            $"DELETE FROM OrleansMembershipTable WHERE {OneSilo} AND Status = {Dead} AND IAmAliveTime = @IAmAliveTime "
            + "AND StartTime = @StartTime AND COALESCE(SuspectTimes, '') = COALESCE(@SuspectTimes, '')",
        ["GatewaysQueryKey"] =
            "SELECT Address, ProxyPort, Generation FROM OrleansMembershipTable "
            + "WHERE DeploymentId = @DeploymentId AND Status = @Status AND ProxyPort > 0",
    };

    /// <summary>The version stands in the answer even if there is no silo.</summary>
    private static string Read(string which) => $"""
        SELECT v.DeploymentId, m.Address, m.Port, m.Generation, m.SiloName, m.HostName, m.Status, m.ProxyPort, m.SuspectTimes, m.StartTime,
          m.IAmAliveTime, v.Version
        FROM OrleansMembershipVersionTable v LEFT JOIN OrleansMembershipTable m ON m.DeploymentId = v.DeploymentId {which}
        WHERE v.DeploymentId = @DeploymentId
        """;
}
