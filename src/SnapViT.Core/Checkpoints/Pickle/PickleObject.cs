namespace SnapViT.Core.Checkpoints.Pickle;

/// <summary>
/// An object of a class that is not on the list of <see cref="PickleGlobals"/>, while a pickle is being read: what the pickle says of it,
/// and nothing done with it. The class is never looked up, made or called.
/// </summary>
/// <param name="class">The class, or the function that would make the object.</param>
internal sealed class PickleObject(PickleGlobal @class)
{
    private const string ScriptModule = "__torch__";
    private const string Parameters = "_parameters";
    private const string Buffers = "_buffers";
    private const string Modules = "_modules";

    /// <summary>The class, or the function that would make the object.</summary>
    public PickleGlobal Class => @class;

    /// <summary>What the pickle puts into it by keys, as into a dictionary of a class of its own.</summary>
    public PickleDictionary Items { get; } = new();

    /// <summary>What the pickle gives it as its attributes; null for none.</summary>
    public object? State { get; set; }

    /// <summary>
    /// The dictionary that the object is, if it is one: a class derived from dict, a module of a TorchScript archive (its attributes), or a
    /// pickled <c>torch.nn.Module</c> (its parameters, buffers and modules, which is what <c>state_dict()</c> gives).
    /// </summary>
    /// <param name="cursor">Counts what is looked at: many objects may share the attributes.</param>
    public PickleDictionary? AsDictionary(PickleCursor cursor)
    {
        if (Items.Items.Count > 0)
        {
            return Items;
        }

        if (State is not PickleDictionary attributes)
        {
            return null;
        }

        if (Class.Module == ScriptModule || Class.Module.StartsWith(ScriptModule + ".", StringComparison.Ordinal))
        {
            return attributes;
        }

        cursor.ChargeWork(attributes.Items.Count);
        return IsModule(attributes) ? ModuleContent(attributes, cursor) : null;
    }

    private static bool IsModule(PickleDictionary attributes) =>
        new[] { Parameters, Buffers, Modules }.All(name => Attribute(attributes, name) is not null);

    private static PickleDictionary ModuleContent(PickleDictionary attributes, PickleCursor cursor)
    {
        PickleDictionary content = new();
        foreach (string name in new[] { Parameters, Buffers, Modules })
        {
            PickleDictionary part = Attribute(attributes, name)!;
            cursor.ChargeWork(part.Items.Count);
            content.Items.AddRange(part.Items);
        }

        return content;
    }

    /// <summary>An attribute that is a dictionary, of whatever class.</summary>
    private static PickleDictionary? Attribute(PickleDictionary attributes, string name) =>
        attributes.Items.LastOrDefault(item => item.Key is string key && key == name).Value switch
        {
            PickleDictionary dictionary => dictionary,
            PickleObject { State: null } other => other.Items,
            _ => null,
        };
}
