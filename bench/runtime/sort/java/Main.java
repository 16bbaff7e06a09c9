import java.util.*;
public class Main{ public static void main(String[] a){ int n=a.length>0?Integer.parseInt(a[0]):300000; ArrayList<Long> numbers=new ArrayList<>();ArrayList<String> words=new ArrayList<>(); long x=42;
 for(int i=0;i<n;i++){x=x*16807%2147483647;numbers.add(x);words.add("k"+x);}
 ArrayList<Long> other=new ArrayList<>(numbers);Collections.sort(numbers);Collections.sort(words);other.sort((p,q)->p%1000!=q%1000?(int)(p%1000-q%1000):Long.compare(p,q));
 long s=0;for(int i=0;i<n;i++)s+=(numbers.get(i)%1000+other.get(i)%1000)*(i%10);System.out.println(s+" "+words.get(0)+" "+words.get(n/2)+" "+words.get(n-1));}}
