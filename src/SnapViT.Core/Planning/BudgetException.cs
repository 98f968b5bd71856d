using SnapViT.Core.Errors;

namespace SnapViT.Core.Planning;

/// <summary>A budget that is not well formed, or that the floors make impossible. The message is one line with the numbers.</summary>
public sealed class BudgetException : SnapViTException
{
    /// <summary>States what was asked and what is possible.</summary>
    public BudgetException(string message)
        : base(ErrorKind.Budget, message)
    {
    }
}
