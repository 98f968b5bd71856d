using System.Data.Common;
using System.Net;
using SnapViT.Core.Errors;

namespace SnapViT.Cluster.Membership;

/// <summary>Where the list of all silos of a cluster is kept, and so how they find each other.</summary>
internal abstract class ClusterMembership
{
    private const string Redis = "redis:", Postgres = "postgres:", Sqlite = "sqlite:";

    /// <summary>The address of the build; null where silos find it in a list elsewhere.</summary>
    public virtual IPEndPoint? Build => null;

    /// <summary>Whether a silo can join now.</summary>
    public virtual bool IsReady() => true;

    /// <summary>Makes a silo use this list.</summary>
    public abstract void Use(ISiloBuilder silo);

    /// <summary>What is done before the first silo: nothing where the list needs no place of its own.</summary>
    public virtual void Prepare()
    {
    }

    /// <summary>
    /// Reads it as it is named on a command line: <c>localhost</c> or <c>10.0.0.5:11111</c>, the address of the build, which keeps the
    /// list; <c>redis:HOST:PORT</c>; <c>postgres:CONNECTION</c>, a connection string; <c>sqlite:FILE</c>.
    /// </summary>
    /// <exception cref="SnapViTException">It is none of them.</exception>
    public static ClusterMembership Parse(string text)
    {
        try
        {
            return After(Redis) is string redis ? new RedisMembership(redis)
                : After(Postgres) is string postgres ? DatabaseMembership.Postgres(postgres)
                : After(Sqlite) is string file ? DatabaseMembership.Sqlite(file)
                : IPEndPoint.TryParse(text == "localhost" ? BuildMembership.Default : text, out IPEndPoint? found) && found.Port > 0
                    ? new BuildMembership(found)
                : throw new SnapViTException(
                    ErrorKind.Option,
                    $"cluster: expected an address such as {BuildMembership.Default}, {Redis}HOST:PORT, {Postgres}CONNECTION or "
                    + $"{Sqlite}FILE, found '{text}'");
        }
        catch (Exception exception) when (exception is ArgumentException or DbException)
        {
            // The text may hold a password.
            string scheme = text[..(text.IndexOf(':', StringComparison.Ordinal) + 1)];
            throw new SnapViTException(
                ErrorKind.Option, $"cluster: expected where a database is after {scheme}, found another text: {exception.Message}",
                exception);
        }

        string? After(string scheme) =>
            text.StartsWith(scheme, StringComparison.OrdinalIgnoreCase) && text.Length > scheme.Length ? text[scheme.Length..] : null;
    }
}
