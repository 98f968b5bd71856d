namespace SnapViT.Core.Checkpoints;

/// <summary>
/// An object of a Python class that means nothing here, such as a NumPy number, a path or a date: its class is known, and it was never
/// made.
/// </summary>
/// <param name="Class">The class with its module, or the function that would make the object.</param>
internal sealed record TorchObject(string Class);
