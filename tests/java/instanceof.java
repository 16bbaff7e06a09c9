// Prints the same as instanceof.ds: see tests/tests/java.rs.
class Main {
    interface Animal { String sound(); }
    record Dog(String name, long age) implements Animal {
        public String sound() { return "woof"; }
    }
    record Cat(String name) implements Animal {
        public String sound() { return "meow"; }
    }
    static class Robot implements Animal {
        long noises = 0;

        public String sound() {
            noises++;
            return "beep " + noises;
        }
    }

    static String about(Animal a) {
        if (a instanceof Dog d && d.age > 5) return "old dog " + d.name;
        if (a instanceof Dog d) return "dog " + d.name;
        if (!(a instanceof Cat)) return a.sound() + " " + a.sound();
        return "cat";
    }

    static long years(Animal a) {
        return a instanceof Dog d ? d.age : a instanceof Cat c ? c.name.length() : -1;
    }

    static boolean both(Animal a, Animal b) {
        return a instanceof Dog x && b instanceof Dog y && x.age == y.age;
    }

    public static void main(String[] arguments) {
        Animal robot = new Robot();
        Animal[] all = {new Dog("Rex", 7), new Dog("Pup", 1), new Cat("Tom"), robot};
        for (Animal a : all) {
            System.out.println(about(a));
            System.out.println(years(a));
            System.out.println(a.sound());
        }
        System.out.println(both(all[0], all[1]));
        System.out.println(both(all[1], new Dog("Other", 1)));
        System.out.println(both(all[1], all[2]));
        Animal maybe = all[2];
        while (!(maybe instanceof Dog d)) {
            System.out.println("not yet");
            maybe = all[1];
        }
        System.out.println(d.name);
        if (maybe instanceof Dog e) {
            System.out.println(e.age);
        }
        System.out.println(robot == all[3]);
    }
}
