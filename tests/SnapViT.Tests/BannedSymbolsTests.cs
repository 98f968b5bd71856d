using System.Reflection;
using TorchSharp;

namespace SnapViT.Tests;

/// <summary>The analyzer silently ignores an entry that names nothing, so each must name a member that exists.</summary>
public sealed class BannedSymbolsTests
{
    private static readonly Assembly[] Assemblies = [typeof(torch).Assembly, typeof(object).Assembly, typeof(Console).Assembly];

    public static TheoryData<string> Entries =>
        [.. new[] { "BannedSymbols.txt", "BannedSymbols.Library.txt" }.SelectMany(Lines).Select(line => line.Split(';')[0])];

    [Theory]
    [MemberData(nameof(Entries))]
    public void Every_banned_symbol_exists(string entry)
    {
        string name = entry[2..].Split('(')[0].Replace(".#ctor", "", StringComparison.Ordinal);
        IEnumerable<string> known = Assemblies
            .SelectMany(assembly => assembly.GetExportedTypes())
            .Where(type => name.StartsWith(Name(type), StringComparison.Ordinal))
            .SelectMany(type => type.GetMembers().Where(member => member.DeclaringType == type).Select(Id).Append($"T:{Name(type)}"));
        Assert.Contains(entry, known);
    }

    private static string Id(MemberInfo member) => member switch
    {
        ConstructorInfo constructor => $"M:{Name(constructor.DeclaringType!)}.#ctor{Parameters(constructor)}",
        MethodInfo method => $"M:{Name(method.DeclaringType!)}.{method.Name}{Parameters(method)}",
        PropertyInfo property => $"P:{Name(property.DeclaringType!)}.{property.Name}",
        _ => member.Name,
    };

    private static string Parameters(MethodBase method) =>
        method.GetParameters() is { Length: > 0 } all ? $"({string.Join(',', all.Select(p => Name(p.ParameterType)))})" : "";

    private static string Name(Type type) => type.IsConstructedGenericType
        ? $"{type.GetGenericTypeDefinition().FullName!.Split('`')[0]}{{{string.Join(',', type.GetGenericArguments().Select(Name))}}}"
        : (type.FullName ?? type.Name).Replace('+', '.');

    private static IEnumerable<string> Lines(string resource)
    {
        using Stream stream = typeof(BannedSymbolsTests).Assembly.GetManifestResourceStream(resource)!;
        using StreamReader reader = new(stream);
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }
}
