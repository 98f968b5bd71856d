using SnapViT.Samples.PhotoSearch;

return await Sample.RunAsync(args, Console.Out, Console.Error);
