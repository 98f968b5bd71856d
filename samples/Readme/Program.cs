using SnapViT;
using SnapViT.Core.Planning;
using static TorchSharp.torch;

using ElasticViT elastic = ElasticViT.Build("model.safetensors", "photos"); // scores the model on unlabelled photos, once
elastic.SaveScores("scores.safetensors");                                   // later: Open("model.safetensors", "scores.safetensors")

using Subnet small = elastic.At(Budget.Flops(0.6));                         // the largest sub-network within 60 % of the FLOPs
using Tensor features = small.Embed("photo.png");                           // one image to float32 [1, D]
using ImageFeatures all = small.EmbedFolder("photos");                      // all images of a folder
small.Save("small.safetensors");                                            // a model of its own; ToOnnx and SaveTorch write other formats
Console.WriteLine($"{small.Plan.Parameters} parameters, {small.Plan.Flops} FLOPs, {features.shape[1]} features, {all.Names.Count} images");
