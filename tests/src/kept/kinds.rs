//! What random programs keep: kinds of objects that say in each part of theirs which number they have.

/// What is kept of one kind: its type; an object made for the number `id`; whether `x` is one made for `id`; and a small
/// number that is seen from `x`, and from `id`.
pub(super) struct Kind {
    pub ty: &'static str,
    pub make: &'static str,
    pub fits: &'static str,
    pub key: &'static str,
    pub of_id: &'static str,
    /// Objects of different numbers are not equal, and those of one are.
    pub distinct: bool,
}

const fn kind(
    ty: &'static str,
    make: &'static str,
    fits: &'static str,
    key: &'static str,
    of_id: &'static str,
    distinct: bool,
) -> Kind {
    Kind { ty, make, fits, key, of_id, distinct }
}

pub(super) const LINK: usize = 1;
pub(super) const NODE: usize = LIGHT + 1;

/// The first are light: neither making nor looking at them takes more than machine code does by itself.
pub(super) const LIGHT: usize = 7;

pub(super) const KINDS: [Kind; 25] = [
    kind("Light", "new Light(id, 2 * id)", "x.id == id && x.twice == 2 * id", "x.id % 7", "id % 7", true),
    kind("Link", "new Link(id)", "x.serial == id && x.isWhole()", "x.serial % 7", "id % 7", true),
    kind(
        "Light?",
        "id % 4 == 0 ? null : new Light(id, 2 * id)",
        "x == null ? id % 4 == 0 : x.id == id && x.twice == 2 * id",
        "x == null ? 9 : x.id % 7",
        "id % 4 == 0 ? 9 : id % 7",
        false,
    ),
    kind(
        "List<Light>",
        "[new Light(id, 2 * id), new Light(id, 2 * id)]",
        "x.size() == 2 && x[0].id == id && x[1].twice == 2 * id",
        "x[0].id % 7",
        "id % 7",
        true,
    ),
    kind(
        "Pair<Light, Light>",
        "new Pair(new Light(id, 2 * id), new Light(id + 1, 2 * id + 2))",
        "x.first.id == id && x.second.id == id + 1 && x.second.twice == 2 * id + 2",
        "x.first.id % 7",
        "id % 7",
        true,
    ),
    kind("() -> Light", "lit(id)", "x().id == id && x().twice == 2 * id", "x().id % 7", "id % 7", false),
    kind("int", "id", "x == id", "x % 7", "id % 7", true),
    kind(
        "Item",
        "new Item(id, textOf(id))",
        "x.id == id && x.text == textOf(id)",
        "x.id % 7",
        "id % 7",
        true,
    ),
    kind("Node", "new Node(id)", "x.serial == id && x.isWhole()", "x.serial % 7", "id % 7", true),
    kind(
        "String",
        "id % 3 == 0 ? cutOf(id) : textOf(id)",
        "x == textOf(id)",
        "numberOf(x) % 7",
        "id % 7",
        true,
    ),
    kind(
        "List<int>",
        "[id, id * 2, id ^ 5]",
        "x.size() == 3 && x[0] == id && x[1] == id * 2 && x[2] == (id ^ 5)",
        "x[0] % 7",
        "id % 7",
        true,
    ),
    kind(
        "Item?",
        "id % 4 == 0 ? null : new Item(id, textOf(id))",
        "x == null ? id % 4 == 0 : x.id == id && x.text == textOf(id)",
        "x == null ? 9 : x.id % 7",
        "id % 4 == 0 ? 9 : id % 7",
        false,
    ),
    kind("() -> int", "holding(id)", "x() == id", "x() % 7", "id % 7", false),
    kind("Named", "named(id)", "x.number() == id", "x.number() % 7", "id % 7", false),
    kind(
        "int?",
        "id % 4 == 0 ? null : id",
        "x == null ? id % 4 == 0 : x == id",
        "x == null ? 9 : x % 7",
        "id % 4 == 0 ? 9 : id % 7",
        false,
    ),
    kind(
        "Map<int, String>",
        "{id: textOf(id), id + 1: cutOf(id)}",
        "x.size() == 2 && x[id] == textOf(id) && x[id + 1] == textOf(id)",
        "x.keys()[0] % 7",
        "id % 7",
        true,
    ),
    kind(
        "Pair<Item, String>",
        "new Pair(new Item(id, textOf(id)), cutOf(id))",
        "x.first.id == id && x.first.text == x.second && x.second == textOf(id)",
        "x.first.id % 7",
        "id % 7",
        true,
    ),
    kind(
        "List<String>",
        "[textOf(id), cutOf(id)]",
        "x.size() == 2 && x[0] == textOf(id) && x[1] == x[0]",
        "numberOf(x[1]) % 7",
        "id % 7",
        true,
    ),
    kind(
        "Bytes",
        "cutOf(id).toBytes()",
        "x == textOf(id).toBytes()",
        "numberOf(x.toText()) % 7",
        "id % 7",
        true,
    ),
    kind("double", "id * 0.5", "x * 2.0 == id", "((int) (x * 2.0)) % 7", "id % 7", true),
    kind("boolean", "id % 2 == 0", "x == (id % 2 == 0)", "x ? 1 : 0", "1 - id % 2", false),
    kind(
        "Set<Item>",
        "[new Item(id, textOf(id)), new Item(id, cutOf(id)), new Item(id + 1, textOf(id))].toSet()",
        "x.size() == 2 && x.contains(new Item(id, textOf(id))) && x.contains(new Item(id + 1, cutOf(id)))",
        "x.values()[0].id % 7",
        "id % 7",
        true,
    ),
    kind(
        "List<Item?>",
        "[null, new Item(id, textOf(id))]",
        "x.size() == 2 && x[0] == null && (x[1] ?? new Item(0, \"\")) == new Item(id, cutOf(id))",
        "(x[1] ?? new Item(0, \"\")).id % 7",
        "id % 7",
        true,
    ),
    kind(
        "Wide",
        "new Wide(id, id * 0.5, textOf(id), id % 2 == 0, new Item(id, cutOf(id)), [id])",
        "x.a == id && x.b * 2.0 == id && x.c == x.e.text && x.d == (id % 2 == 0) && x.e.id == x.f[0] && x.e.id == id",
        "x.a % 7",
        "id % 7",
        true,
    ),
    kind(
        "String?",
        "id % 4 == 0 ? null : cutOf(id)",
        "x == null ? id % 4 == 0 : x == textOf(id)",
        "x == null ? 9 : numberOf(x) % 7",
        "id % 4 == 0 ? 9 : id % 7",
        false,
    ),
];

/// The keys of maps and sets: their type, and the key of a number from 0 on.
pub(super) const KEYS: [(&str, &str); 5] = [
    ("int", "(k * 7919 - 300)"),
    ("String", "\"k${k}\""),
    ("Item", "new Item(k, \"k${k % 3}\")"),
    ("Two", "new Two(k % 4, new Item(k / 4, \"t\"))"),
    ("String", "\"<k${k}>\".substring(1, 2 + \"${k}\".length())"),
];

/// What all programs begin with.
pub(super) const PRELUDE: &str = r#"record Item(int id, String text) {}

record Light(int id, int twice) {}

class Link {
    int serial;
    int now;
    Light light;
    Link? next = null;

    Link(int id) {
        this.serial = id;
        this.now = id;
        this.light = new Light(id, 2 * id);
    }

    boolean isWhole() {
        Link? other = next;
        if (other != null && other.light.id != other.now) { return false; }
        return light.id == now && light.twice == 2 * now;
    }
}

() -> Light lit(int id) {
    Light held = new Light(id, 2 * id);
    return () -> held;
}

record Two(int n, Item item) {}

record Wide(int a, double b, String c, boolean d, Item e, List<int> f) {}

class Node {
    int serial;
    int now;
    Item item;
    String text;
    Node? next = null;
    List<int> parts = [];

    Node(int id) {
        this.serial = id;
        this.now = id;
        this.item = new Item(id, textOf(id));
        this.text = cutOf(id);
    }

    boolean isWhole() {
        for (int i = 0; i < parts.size(); i++) {
            if (parts[i] != serial + i) { return false; }
        }
        Node? other = next;
        if (other != null && other.item.id != other.now) { return false; }
        return item.id == now && item.text == text && text == textOf(now);
    }
}

interface Named {
    int number();
}

record Half(int id, double half) implements Named {
    int number() { return half * 2.0 == id ? id : -9; }
}

record Deep(Item item, String text) implements Named {
    int number() { return text == item.text ? item.id : -9; }
}

class Shelf {
    static final List<Item> kept = [];
}

class Renewed implements Named {
    Item item;
    Renewed(Item item) { this.item = item; }
    int number() {
        item = new Item(item.id, textOf(item.id));
        return item.id;
    }
}

String textOf(int id) { return "n${id}"; }

/// The same text, made in some way from another one.
String cutOf(int id) {
    return switch (id % 8) {
        case 0 -> "a,n${id},".split(",")[1];
        case 1 -> "  n${id} ".trim();
        case 2 -> "é<n${id}>".substring(2, 3 + "${id}".length());
        case 3 -> "m${id}".replace("m", "n");
        case 4 -> "N${id}".toLower();
        case 5 -> ["n", "${id}", ""].join("");
        case 6 -> "x\nn${id}\ny".lines()[1];
        default -> "<<n${id}>>".substring(2, 3 + "${id}".length());
    };
}

String entryOf(int id, int width) { return id < 0 ? ";" : "n${id}" + "-".repeat(width) + ";"; }

int numberOf(String text) { return Int.parse(text.substring(1)) ?? -9; }

() -> int holding(int id) {
    Item held = new Item(id, cutOf(id));
    return () -> held.text == textOf(held.id) ? held.id : -9;
}

Named named(int id) {
    return switch (id % 3) {
        case 0 -> new Half(id, id * 0.5);
        case 1 -> new Deep(new Item(id, textOf(id)), cutOf(id));
        default -> new Renewed(new Item(id, textOf(id)));
    };
}

int next(int r) { return (r * 1_103_515_245 + 12_345) & 0x7FFF_FFFF; }

void tell(World w, String what) {
    w.wrong++;
    if (w.wrong < 4) { print("wrong: ${what}"); }
}

int low(int n, Light held) {
    Light mine = new Light(n, 2 * n);
    int below = n <= 0 ? 0 : low(n - 1, mine);
    return mine.twice == 2 * mine.id && held.twice == 2 * held.id ? below + 1 : -1000000;
}

int deep(int n, Item held) {
    Item mine = new Item(n, textOf(n));
    int below = n <= 0 ? 0 : deep(n - 1, mine);
    return mine.text == textOf(mine.id) && held.text == textOf(held.id) ? below + 1 : -1000000;
}

"#;
