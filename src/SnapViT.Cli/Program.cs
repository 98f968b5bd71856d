using SnapViT.Cli;

Console.SetOut(new StandardStream(Console.Out, isResult: true));
Console.SetError(new StandardStream(Console.Error, isResult: false));
using Interruption interruption = new();
return interruption.Of(await SnapVitCommand.RunAsync(args, Console.Out, Console.Error, interruption.Token).ConfigureAwait(false));
