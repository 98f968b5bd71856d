using System.Data.Common;
using System.Globalization;
using Microsoft.Data.Sqlite;
using Npgsql;
using SnapViT.Core.Errors;

namespace SnapViT.Cluster.Membership;

/// <summary>
/// The list is in a database. Orleans reads and writes it by queries that stand in the database itself, in the table OrleansQuery; where
/// there is no such table, this makes it. One that Orleans's own scripts have made is used as it is.
/// </summary>
internal sealed class DatabaseMembership : ClusterMembership
{
    private readonly string _invariant, _connection, _name;
    private readonly DbProviderFactory _factory;
    private readonly IReadOnlyList<string> _tables;
    private readonly IReadOnlyDictionary<string, string> _queries;

    private DatabaseMembership(
        string invariant, DbProviderFactory factory, string connection, string name, IReadOnlyList<string> tables,
        IReadOnlyDictionary<string, string> queries) =>
        (_invariant, _factory, _connection, _name, _tables, _queries) = (invariant, factory, connection, name, tables, queries);

    /// <summary>A database of PostgreSQL.</summary>
    /// <param name="connection">Its connection string, as Npgsql reads it.</param>
    public static DatabaseMembership Postgres(string connection)
    {
        NpgsqlConnectionStringBuilder parts = new(connection);
        return new DatabaseMembership(
            "Npgsql", NpgsqlFactory.Instance, parts.ConnectionString, $"postgres:{parts.Host}/{parts.Database}",
            MembershipSql.PostgresTables, MembershipSql.PostgresQueries);
    }

    /// <summary>A file of SQLite, on a file system that all machines share and that locks files.</summary>
    public static DatabaseMembership Sqlite(string file) => new(
        "System.Data.SQLite", SqliteFactory.Instance,
        new SqliteConnectionStringBuilder { DataSource = Path.GetFullPath(file) }.ConnectionString, $"sqlite:{file}",
        MembershipSql.SqliteTables, MembershipSql.SqliteQueries);

    /// <inheritdoc/>
    public override void Use(ISiloBuilder silo) => silo.UseAdoNetClustering(options =>
        (options.Invariant, options.ConnectionString) = (_invariant, _connection));

    /// <summary>Makes the tables where there are none.</summary>
    /// <exception cref="SnapViTException">The database cannot be reached, or is not writable.</exception>
    public override void Prepare()
    {
        try
        {
            using DbConnection connection = _factory.CreateConnection()!;
            connection.ConnectionString = _connection;
            connection.Open();

            if (HasQueries(connection))
            {
                return;
            }

            // Workers and the build may start at once.
            using DbTransaction transaction = connection.BeginTransaction();
            foreach (string table in _tables)
            {
                Execute(transaction, table);
            }

            foreach ((string key, string text) in _queries)
            {
                Execute(
                    transaction, "INSERT INTO OrleansQuery (QueryKey, QueryText) VALUES (@Key, @Text) ON CONFLICT DO NOTHING",
                    ("@Key", key), ("@Text", text));
            }

            transaction.Commit();
        }
        catch (DbException exception)
        {
            throw new SnapViTException(ErrorKind.Option, $"cluster: {_name}: {exception.Message.ReplaceLineEndings(" ")}", exception);
        }
    }

    /// <inheritdoc/>
    public override string ToString() => _name;

    /// <summary>Whether another process, or Orleans's own script, made the tables: who uses them needs no right to make any.</summary>
    private static bool HasQueries(DbConnection connection)
    {
        try
        {
            using DbCommand command = connection.CreateCommand();
            command.CommandText = $"SELECT count(*) FROM OrleansQuery WHERE QueryKey = '{MembershipSql.InsertSilo}'";
            return Convert.ToInt64(command.ExecuteScalar(), CultureInfo.InvariantCulture) > 0;
        }
        catch (DbException)
        {
            return false;
        }
    }

    private static void Execute(DbTransaction transaction, string text, params (string Name, string Value)[] values)
    {
        using DbCommand command = transaction.Connection!.CreateCommand();
        (command.Transaction, command.CommandText) = (transaction, text);
        foreach ((string name, string value) in values)
        {
            DbParameter parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = (name, value);
            command.Parameters.Add(parameter);
        }

        command.ExecuteNonQuery();
    }
}
