#:package SnapViT.Runtime@0.1.0-*
#:package Microsoft.ML.OnnxRuntime@1.31.1
#:property PublishAot=false
using SnapViT.Core.Planning;
using SnapViT.Runtime;

using ViTFamily family = ViTFamily.Open(args[0]);
FamilyMember small = family.At(Budget.Flops(0.6));
foreach (string photo in Directory.GetFiles(args[1], "*.png").Order().Take(3))
{
    Console.WriteLine($"{Path.GetFileName(photo)}: {small.Embed(photo).Length} features at {small.Name}");
}
