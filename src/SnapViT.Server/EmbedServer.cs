using System.Diagnostics;
using System.Net;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.HostFiltering;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry.Metrics;
using SnapViT.Core.Errors;
using SnapViT.Runtime;

namespace SnapViT.Server;

/// <summary>
/// Serves a family over HTTP. Every request that is taken is answered: with its result, or with one line that says why not. Nothing is
/// written to a disk, and no file is read once the server runs.
/// </summary>
internal sealed class EmbedServer : IAsyncDisposable
{
    private const string ProblemType = "application/problem+json", Html = "text/html; charset=utf-8";

    /// <summary>The pages load nothing from anywhere else, and no other site may show them in a frame.</summary>
    private const string ContentPolicy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        + "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly string[] WithoutKey = ["/", "/docs", "/openapi.json", "/health", "/ready"];

    private readonly WebApplication _application;
    private readonly BatchScheduler _scheduler;
    private readonly ServedModel _model;
    private readonly ServerMetrics _metrics;
    private readonly CancellationTokenSource _stopping;
    private bool _disposed;

    private EmbedServer(
        WebApplication application, BatchScheduler scheduler, ServedModel model, ServerMetrics metrics, CancellationTokenSource stopping) =>
        (_application, _scheduler, _model, _metrics, _stopping) = (application, scheduler, model, metrics, stopping);

    /// <summary>The address, with the port that was taken.</summary>
    public string Url => _application.Urls.Single();

    /// <summary>What <c>/budgets</c> answers.</summary>
    public BudgetsAnswer Budgets => _model.Budgets();

    /// <summary>Measures all sizes, and listens.</summary>
    /// <param name="family">The family; it stays the caller's, and open until the server is disposed.</param>
    /// <param name="options">Address, limits, key.</param>
    /// <param name="log">Where internal failures are told, a line each.</param>
    /// <param name="cancellation">Stops the start.</param>
    /// <exception cref="SnapViTException">An option is wrong, or a file of the family is damaged.</exception>
    /// <exception cref="IOException">The address is taken.</exception>
    public static async Task<EmbedServer> StartAsync(
        ViTFamily family, ServerOptions options, TextWriter log, CancellationToken cancellation = default)
    {
        options.Validated();
        SpeedTable speeds = SpeedTable.Measure(family, options.BatchSize, cancellation);
        CancellationTokenSource stopping = new();
        ServerMetrics metrics = new();
        BatchScheduler scheduler = new(family, speeds, options, metrics);
        BodyReader bodies = new(options, stopping.Token);
        metrics.Watch(() => scheduler.QueuedImages, () => bodies.Held, () => speeds.Slowdown);
        EmbedServer? server = null;
        try
        {
            ServedModel model = new(family, speeds, scheduler, bodies, options);
            WebApplication application = Build(options);
            server = new EmbedServer(application, scheduler, model, metrics, stopping);
            server.Map(options, family, TextWriter.Synchronized(log));
            await application.StartAsync(cancellation).ConfigureAwait(false);
            return server;
        }
        catch
        {
            if (server is not null)
            {
                await server.DisposeAsync().ConfigureAwait(false);
            }

            scheduler.Dispose();
            throw;
        }
    }

    /// <summary>Takes no more requests, answers those that were taken, and ends.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        await _stopping.CancelAsync().ConfigureAwait(false);
        await _application.StopAsync(CancellationToken.None).ConfigureAwait(false);
        _scheduler.Dispose();
        await _application.DisposeAsync().ConfigureAwait(false);
        _model.Dispose();
        _metrics.Dispose();
        _stopping.Dispose();
    }

    private static WebApplication Build(ServerOptions options)
    {
        // Nothing comes from files or variables that happen to be there.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Configuration.AddInMemoryCollection(
            options.Telemetry.Select(pair => new KeyValuePair<string, string?>(pair.Key, pair.Value)));
        builder.WebHost.UseKestrelCore().ConfigureKestrel(server =>
        {
            server.AddServerHeader = false;
            server.Limits.MaxRequestBodySize = options.MaxBytes;
            server.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            server.Limits.MinRequestBodyDataRate = new MinDataRate(240, TimeSpan.FromSeconds(5));
            server.Listen(options.Listen);
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(60));
        builder.Services.AddRoutingCore();
        builder.Services.AddOpenApi(ApiDescription.Configure);
        builder.Services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
            json.SerializerOptions.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
            json.SerializerOptions.NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals;
        });
        builder.Services.AddOpenTelemetry().WithMetrics(metrics =>
        {
            metrics.AddMeter(ServerMetrics.MeterName, "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime").AddPrometheusExporter();
            if (options.Telemetry.Keys.Any(key => key.EndsWith("_ENDPOINT", StringComparison.Ordinal)))
            {
                metrics.AddOtlpExporter();
            }
        });
        if (IPAddress.IsLoopback(options.Listen.Address))
        {
            // A site that the user looks at must not reach the server by a name of its own (DNS rebinding).
            builder.Services.Configure<HostFilteringOptions>(hosts => hosts.AllowedHosts = ["localhost", "127.0.0.1", "[::1]"]);
        }
        else
        {
            builder.Services.Configure<HostFilteringOptions>(hosts => hosts.AllowedHosts = ["*"]);
        }

        return builder.Build();
    }

    private void Map(ServerOptions options, ViTFamily family, TextWriter log)
    {
        ApiKey? key = options.ApiKey is null ? null : new ApiKey(options.ApiKey);
        int running = 0;
        _application.UseHostFiltering();
        _application.Use(next => context => AnswerAsync(context, next, log));
        _application.UseStatusCodePages(pages =>
        {
            HttpRequest request = pages.HttpContext.Request;
            return ProblemAsync(
                pages.HttpContext, new RequestFault(pages.HttpContext.Response.StatusCode, $"{request.Method} {request.Path}"));
        });
        _application.Use(next => async context =>
        {
            if (key is not null && !WithoutKey.Contains(context.Request.Path.Value) && !key.IsShownBy(context.Request))
            {
                throw new RequestFault(
                    StatusCodes.Status401Unauthorized,
                    "API key: expected it in X-Api-Key or as Authorization: Bearer, found none or another");
            }

            bool counts = HttpMethods.IsPost(context.Request.Method);
            try
            {
                if (counts && Interlocked.Increment(ref running) > options.MaxRequests)
                {
                    _metrics.Shed("requests");
                    throw RequestFault.Overloaded($"{options.MaxRequests} requests are running already", TimeSpan.FromSeconds(1));
                }

                await next(context).ConfigureAwait(false);
            }
            finally
            {
                if (counts)
                {
                    Interlocked.Decrement(ref running);
                }
            }
        });
        _application.UseRouting();
        MapEndpoints(family);
        _application.UseEndpoints(_ => { });
    }

    private void MapEndpoints(ViTFamily family)
    {
        if (family.HasFeatures)
        {
            _application.MapPost("/embed", async (HttpRequest request) => TypedResults.Ok(await _model.EmbedAsync(request.HttpContext)))
                .WithSummary("Features of images").WithMetadata(ApiDescription.TakesImages);
        }

        if (family.Classes > 0)
        {
            _application.MapPost(
                    "/classify", async (HttpRequest request) => TypedResults.Ok(await _model.ClassifyAsync(request.HttpContext)))
                .WithSummary("Classes of images by the model's own classifier").WithMetadata(ApiDescription.TakesImages);
        }

        _application.MapGet("/budgets", () => TypedResults.Ok(_model.Budgets())).WithSummary("The sizes, what they take, and the limits");
        _application.MapGet("/health", () => TypedResults.Ok(new StatusAnswer("ok"))).WithSummary("Whether the process answers");
        _application.MapGet("/ready", () => _scheduler.IsRunning && !_stopping.IsCancellationRequested
                ? TypedResults.Ok(new StatusAnswer("ready"))
                : throw RequestFault.Stopping())
            .WithSummary("Whether requests are taken");
        _application.MapPrometheusScrapingEndpoint("/metrics").WithSummary("Metrics as Prometheus reads them");
        _application.MapOpenApi("/openapi.json");
        _application.MapGet("/", (HttpContext context) => Page(context, "try.html")).ExcludeFromDescription();
        _application.MapGet("/docs", (HttpContext context) => Page(context, "docs.html")).ExcludeFromDescription();
    }

    private async Task AnswerAsync(HttpContext context, RequestDelegate next, TextWriter log)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            context.Response.Headers.XContentTypeOptions = "nosniff";
            await next(context).ConfigureAwait(false);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to be answered.
            context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
        }
        catch (Exception fault)
        {
            if (context.Response.HasStarted)
            {
                context.Abort();
            }
            else
            {
                await ProblemAsync(context, FaultOf(fault, log)).ConfigureAwait(false);
            }
        }

        if (HttpMethods.IsPost(context.Request.Method))
        {
            string endpoint = (context.GetEndpoint() as Microsoft.AspNetCore.Routing.RouteEndpoint)?.RoutePattern.RawText ?? "";
            _metrics.Answered(endpoint, context.Response.StatusCode, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
    }

    private static RequestFault FaultOf(Exception fault, TextWriter log)
    {
        switch (fault)
        {
            case RequestFault told:
                return told;
            case SnapViTException wrong:
                return RequestFault.Wrong(wrong.Message.ReplaceLineEndings(" "));
            case Microsoft.AspNetCore.Http.BadHttpRequestException bad:
                return new RequestFault(bad.StatusCode, $"request: {bad.Message.ReplaceLineEndings(" ")}");
            default:
                log.WriteLine($"snapvit: internal failure: {fault.GetType().Name}: {fault.Message.ReplaceLineEndings(" ")}");
                return new RequestFault(StatusCodes.Status500InternalServerError, "the request failed; the server's log says why");
        }
    }

    private static Task ProblemAsync(HttpContext context, RequestFault fault)
    {
        context.Response.StatusCode = fault.Status;
        if (fault.RetryAfter is TimeSpan after)
        {
            context.Response.Headers.RetryAfter = $"{Math.Ceiling(after.TotalSeconds):0}";
        }

        ProblemDetails problem = new() { Status = fault.Status, Title = RequestFault.TitleOf(fault.Status), Detail = fault.Message };
        return context.Response.WriteAsJsonAsync(problem, options: null, ProblemType, CancellationToken.None);
    }

    private static IResult Page(HttpContext context, string name)
    {
        context.Response.Headers.ContentSecurityPolicy = ContentPolicy;
        using StreamReader page = new(Assembly.GetExecutingAssembly().GetManifestResourceStream($"SnapViT.Server.{name}")!);
        return Results.Content(page.ReadToEnd(), Html);
    }
}
