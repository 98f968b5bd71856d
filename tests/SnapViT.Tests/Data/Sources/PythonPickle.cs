using System.Buffers.Binary;
using System.Text;

namespace SnapViT.Tests.Data.Sources;

/// <summary>Writes what Python 2's cPickle writes at protocol 2, byte for byte as in the archives of CIFAR.</summary>
internal sealed class PythonPickle
{
    private readonly List<byte> _bytes = [];

    /// <summary>A dictionary of values: strings, integers, lists of both, and arrays of bytes [n, 3072].</summary>
    public static byte[] Dictionary(params (string Key, object Value)[] items)
    {
        PythonPickle pickle = new();
        pickle.Write("\u0080\u0002}q\u0001(");
        foreach ((string key, object value) in items)
        {
            pickle.Value(key);
            pickle.Value(value);
        }

        pickle.Write("u.");
        return [.. pickle._bytes];
    }

    private void Value(object value)
    {
        switch (value)
        {
            case string text:
                Write($"U{(char)text.Length}{text}");
                break;
            case int number:
                Integer(number);
                break;
            case IEnumerable<int> numbers:
                Write("](");
                Array.ForEach([.. numbers], Integer);
                Write("e");
                break;
            case IEnumerable<string> texts:
                Write("](");
                Array.ForEach([.. texts], text => Value(text));
                Write("e");
                break;
            case byte[][] rows:
                Write("cnumpy.core.multiarray\n_reconstruct\nq\u0002cnumpy\nndarray\nq\u0003K\u0000\u0085U\u0001b\u0087Rq\u0004(K\u0001");
                Integer(rows.Length);
                Integer(rows[0].Length);
                Write("\u0086cnumpy\ndtype\nq\u0005U\u0002u1K\u0000K\u0001\u0087Rq\u0006(K\u0003U\u0001|NNNJ\u00ff\u00ff\u00ff\u00ffJ\u00ff\u00ff\u00ff\u00ffK\u0000tb\u0089T");
                byte[] content = [.. rows.SelectMany(row => row)];
                byte[] length = new byte[4];
                BinaryPrimitives.WriteInt32LittleEndian(length, content.Length);
                _bytes.AddRange(length);
                _bytes.AddRange(content);
                Write("tb");
                break;
        }
    }

    private void Integer(int value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        Write("J");
        _bytes.AddRange(bytes);
    }

    private void Write(string text) => _bytes.AddRange(Encoding.Latin1.GetBytes(text));
}
