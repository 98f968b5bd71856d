namespace SnapViT.Hub;

/// <summary>Why a model could not be fetched.</summary>
public enum HubErrorKind
{
    /// <summary>There is no such model, or it is private and the token does not open it; the hub does not tell which.</summary>
    ModelNotFound,

    /// <summary>The model has no such branch, tag or commit.</summary>
    RevisionNotFound,

    /// <summary>The revision has no such file, or no file of weights.</summary>
    FileNotFound,

    /// <summary>The model is gated, the token is not accepted, or it gives no access to a model of this name.</summary>
    AccessDenied,

    /// <summary>The hub asked for slower requests, more often or longer than the options allow.</summary>
    RateLimited,

    /// <summary>No connection, a cut or silent one, or an overloaded hub, after all tries.</summary>
    Unreachable,

    /// <summary>The options forbid the network and the cache lacks the model.</summary>
    Offline,

    /// <summary>The server's certificate is not accepted, or it redirected to where nothing may be fetched from.</summary>
    Untrusted,

    /// <summary>The content has another hash or size than announced; nothing of it is kept.</summary>
    Damaged,

    /// <summary>The response is not one that a Hugging Face hub sends.</summary>
    Malformed,
}
