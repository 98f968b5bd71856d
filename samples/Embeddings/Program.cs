using SnapViT.Samples.Embeddings;

return Sample.Run(args, Console.Out, Console.Error);
