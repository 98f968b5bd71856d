using System.Reflection;
using SnapViT.Samples.Cookbook;

// Runs the recipes in a folder with model.safetensors, scores.safetensors, photos, photo.png and family: all, or those that are named.
foreach (MethodInfo recipe in typeof(Recipes).GetMethods(BindingFlags.Static | BindingFlags.Public))
{
    if (args.Length == 0 || args.Contains(recipe.Name))
    {
        Console.WriteLine($"== {recipe.Name}");
        await (Task)recipe.Invoke(null, [])!;
    }
}
