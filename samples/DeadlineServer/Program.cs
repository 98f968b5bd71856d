using SnapViT.Samples.DeadlineServer;

return Sample.Run(args, Console.Out, Console.Error);
