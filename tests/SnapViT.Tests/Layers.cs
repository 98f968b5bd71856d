using System.Reflection;
using System.Reflection.Emit;

namespace SnapViT.Tests;

/// <summary>Which types the code of an assembly uses: in signatures and attributes, and in the bodies of its methods.</summary>
internal static class Layers
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<short, OpCode> OpCodeByValue = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!)
        .ToDictionary(code => code.Value);

    /// <summary>Pairs of types, user and used, without those of a type on itself.</summary>
    public static IEnumerable<(Type User, Type Used)> Uses(Assembly assembly) => assembly.GetTypes()
        .SelectMany(user => UsedBy(user).SelectMany(Parts).Distinct().Where(used => used != user).Select(used => (user, used)));

    private static IEnumerable<Type> UsedBy(Type type) =>
    [
        .. type.GetInterfaces(),
        .. type.BaseType is Type parent ? [parent] : Type.EmptyTypes,
        .. type.GetCustomAttributesData().Select(attribute => attribute.AttributeType),
        .. type.GetFields(Declared).Select(field => field.FieldType),
        .. type.GetProperties(Declared).Select(property => property.PropertyType),
        .. type.GetMethods(Declared).SelectMany(method => UsedBy(method, method.ReturnType)),
        .. type.GetConstructors(Declared).SelectMany(constructor => UsedBy(constructor, typeof(void))),
    ];

    private static IEnumerable<Type> UsedBy(MethodBase method, Type returned) =>
    [
        returned,
        .. method.GetParameters().Select(parameter => parameter.ParameterType),
        .. method.GetMethodBody() is MethodBody body ? UsedBy(method, body) : [],
    ];

    private static IEnumerable<Type> UsedBy(MethodBase method, MethodBody body)
    {
        Type[]? ofType = method.DeclaringType!.IsGenericType ? method.DeclaringType.GetGenericArguments() : null;
        Type[]? ofMethod = method.IsGenericMethod ? method.GetGenericArguments() : null;
        foreach (LocalVariableInfo local in body.LocalVariables)
        {
            yield return local.LocalType;
        }

        foreach (int token in Tokens(body.GetILAsByteArray()!))
        {
            MemberInfo member = method.Module.ResolveMember(token, ofType, ofMethod)!;
            foreach (Type used in UsedBy(member))
            {
                yield return used;
            }
        }
    }

    private static IEnumerable<Type> UsedBy(MemberInfo member) => member switch
    {
        Type type => [type],
        FieldInfo field => [field.DeclaringType!, field.FieldType],
        MethodInfo method => [.. Declaring(method), method.ReturnType, .. method.IsGenericMethod ? method.GetGenericArguments() : []],
        _ => Declaring(member),
    };

    private static Type[] Declaring(MemberInfo member) => member.DeclaringType is Type type ? [type] : [];

    /// <summary>The metadata tokens of types, fields and methods in a method's instructions.</summary>
    private static IEnumerable<int> Tokens(byte[] il)
    {
        for (int at = 0; at < il.Length;)
        {
            short value = il[at] == 0xfe ? (short)(0xfe00 | il[at + 1]) : il[at];
            OpCode code = OpCodeByValue[value];
            at += code.Size;
            if (code.OperandType is OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineTok or OperandType.InlineType)
            {
                yield return BitConverter.ToInt32(il, at);
            }

            at += code.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(il, at)),
                _ => 4,
            };
        }
    }

    /// <summary>A type, or what an array, reference or constructed generic is made of.</summary>
    private static IEnumerable<Type> Parts(Type type) =>
        type.HasElementType ? Parts(type.GetElementType()!)
        : type.IsConstructedGenericType ? [type.GetGenericTypeDefinition(), .. type.GetGenericArguments().SelectMany(Parts)]
        : [type];
}
