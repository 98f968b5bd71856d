using System.Reflection;
using System.Runtime.CompilerServices;
using SnapViT.Core.Architecture;
using SnapViT.Data;
using SnapViT.Models;

namespace SnapViT.Tests;

/// <summary>
/// What a user of the packages sees stays small and regular. The names themselves stand in <c>PublicAPI.Unshipped.txt</c> of each library, which the
/// build compares.
/// </summary>
public sealed class PublicSurfaceTests
{
    private const int MostTypes = 90;
    private const BindingFlags Own = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static readonly Assembly[] Libraries = [typeof(ViTArchitecture).Assembly, typeof(ImageSet).Assembly, typeof(VisionTransformer).Assembly];
    private static readonly Type[] Types = [.. Libraries.SelectMany(library => library.GetExportedTypes())];

    [Fact]
    public void The_libraries_together_have_few_public_types() => Assert.InRange(Types.Length, 60, MostTypes);

    [Fact]
    public void No_public_record_holds_an_array() =>
        Assert.Empty(Types.Where(IsRecord).SelectMany(type => type.GetFields(Own)).Where(field => !field.IsStatic && HoldsArray(field.FieldType)).Select(Said));

    [Fact]
    public void Nothing_disposable_is_a_record() => Assert.DoesNotContain(Types, type => IsRecord(type) && typeof(IDisposable).IsAssignableFrom(type));

    [Fact]
    public void No_flag_stands_for_an_axis()
    {
        MemberInfo[] members = [.. Types.SelectMany(type => type.GetMembers(Own)).Where(IsPublic)];
        IEnumerable<string> properties = members.OfType<PropertyInfo>().Where(found => NamesAxis(found.PropertyType, found.Name)).Select(Said);
        IEnumerable<string> parameters = members.OfType<MethodBase>()
            .Where(method => method.GetParameters().Any(parameter => NamesAxis(parameter.ParameterType, parameter.Name!))).Select(Said);
        Assert.Empty(properties.Concat(parameters));
    }

    [Fact]
    public void The_samples_see_what_a_user_sees() => Assert.DoesNotContain(
        Libraries.SelectMany(library => library.GetCustomAttributes<InternalsVisibleToAttribute>()),
        friend => friend.AssemblyName.Contains("Samples", StringComparison.Ordinal));

    // Were records or arrays not recognised, the tests above would pass whatever the libraries held.
    [Fact]
    public void Records_and_arrays_are_recognised()
    {
        Assert.True(IsRecord(typeof(ViTArchitecture)));
        Assert.True(IsRecord(typeof(ArrayRecord)));
        Assert.False(IsRecord(typeof(VisionTransformer)));
        Assert.Contains(typeof(ArrayRecord).GetFields(Own), field => HoldsArray(field.FieldType));
        Assert.True(NamesAxis(typeof(bool), "OfHeads"));
    }

    /// <summary>The compiler gives every record this method, a class or a struct.</summary>
    private static bool IsRecord(Type type) => type.GetMethod("PrintMembers", Own) is not null;

    private static bool HoldsArray(Type type) => type.IsArray || type.GetGenericArguments().Any(HoldsArray);

    private static bool NamesAxis(Type type, string name) =>
        type == typeof(bool) && Enum.GetNames<Axis>().Any(axis => name.Contains(axis, StringComparison.OrdinalIgnoreCase));

    private static bool IsPublic(MemberInfo member) => member switch
    {
        MethodBase method => method.IsPublic,
        PropertyInfo property => property.GetMethod?.IsPublic ?? false,
        _ => false,
    };

    private static string Said(MemberInfo member) => $"{member.DeclaringType}.{member.Name}";

    private readonly record struct ArrayRecord(int[] Values);
}
