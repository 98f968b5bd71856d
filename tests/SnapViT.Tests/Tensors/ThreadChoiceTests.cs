using SnapViT.Tensors;

namespace SnapViT.Tests.Tensors;

public sealed class ThreadChoiceTests
{
    [Theory]
    [InlineData(1, 2)]
    [InlineData(2, 1)]
    public void The_faster_way_is_taken(double first, double second)
    {
        (ThreadChoice choice, SetClock clock) = New();

        int ofFirst = Calls(choice, clock, 500, first, second);

        Assert.True(first < second ? ofFirst > 480 : ofFirst < 20, $"{ofFirst} of 500");
    }

    [Fact]
    public void A_way_that_stops_paying_is_left_and_taken_again_when_it_pays()
    {
        (ThreadChoice choice, SetClock clock) = New();
        Calls(choice, clock, 100, 1, 2);

        int whileBusy = Calls(choice, clock, 500, 9, 2), whenQuiet = Calls(choice, clock, 500, 1, 2);

        Assert.InRange(whileBusy, 0, 50);
        Assert.InRange(whenQuiet, 400, 500);
    }

    [Fact]
    public void The_first_call_of_each_way_says_nothing()
    {
        (ThreadChoice choice, SetClock clock) = New();

        // Warming up takes ten times as long.
        int calls = 0, ofFirst = 0;
        for (int i = 0; i < 60; i++)
        {
            choice.Run(() => Take(calls++ == 0 ? 10 : 1, isFirst: true), () => Take(2, isFirst: false));
        }

        Assert.InRange(ofFirst, 50, 60);

        int Take(double seconds, bool isFirst)
        {
            clock.Pass(seconds);
            return ofFirst += isFirst ? 1 : 0;
        }
    }

    private static (ThreadChoice Choice, SetClock Clock) New()
    {
        SetClock clock = new();
        return (new ThreadChoice(clock), clock);
    }

    /// <summary>How many of the calls went the first way.</summary>
    private static int Calls(ThreadChoice choice, SetClock clock, int count, double first, double second) =>
        Enumerable.Range(0, count).Sum(_ => choice.Run(() => Take(clock, first, 1), () => Take(clock, second, 0)));

    private static int Take(SetClock clock, double seconds, int result)
    {
        clock.Pass(seconds);
        return result;
    }
}
