import java.util.*;
public class Main{ public static void main(String[] a){ int n=a.length>0?Integer.parseInt(a[0]):2000000; HashMap<Long,Long> m=new HashMap<>(); long x=42;
 for(long i=0;i<n;i++){x=x*16807%2147483647;long k=x%(n/2);m.merge(k,i%7,Long::sum);}
 long found=0;for(long i=0;i<n;i++)if(m.containsKey(i))found++;
 long s=0;for(var e:m.entrySet())s+=e.getKey()%1000*e.getValue();System.out.println(m.size()+" "+found+" "+s);}}
