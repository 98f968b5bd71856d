using SnapViT.Cli;

return await SnapVitCommand.RunAsync(args, Console.Out, Console.Error).ConfigureAwait(false);
