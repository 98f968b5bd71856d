namespace SnapViT.Core.Checkpoints;

/// <summary>A member of a Python enumeration in a PyTorch file. Newer Pythons store its name, older ones its value.</summary>
/// <param name="Module">The module of the class, for example <c>src.models.enums</c>.</param>
/// <param name="Class">The class, for example <c>ModelType</c>.</param>
/// <param name="Key">The value (a string or a long) or the name of the member.</param>
/// <param name="IsName">Whether <paramref name="Key"/> is the member's name.</param>
internal sealed record TorchEnumMember(string Module, string Class, object Key, bool IsName = false);
